"""Samples, audits and evaluations as the registry has them: queries over their rows. Making and
reporting them is not the registry's work.
"""
