"""Consequences of codes and withdrawals for an ensemble, computed without training anything.

What may enter: computations over codes, and nothing that trains or withdraws.
"""
