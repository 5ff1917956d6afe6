"""Which rule divides an output among works as retraining does?

What may enter: sets of works with known truth (retraining without a unit or a rightsholder,
mixtures, twins), the rules that are compared, and their grades. The rule that the product keeps is
in :mod:`attribution.evidence.shares`.
"""
