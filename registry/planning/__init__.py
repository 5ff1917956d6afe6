"""Consequences of codes and withdrawals for an ensemble, computed without training anything.

What may enter: computations over codes: the plan of an encoding, its capacity for withdrawals, the
cost of retraining.
"""
