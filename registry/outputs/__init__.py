"""Samples, audits and evaluations: queries over their rows.

What may enter: queries, and nothing that makes or reports outputs.
"""
