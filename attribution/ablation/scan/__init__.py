"""Exact answers about all codes at once from one Gram matrix: values, the largest, counts.

What may enter: compiled loops over codes, and the indexes and searches that use them. The meaning
of a value, an influence, belongs to :mod:`attribution.ablation.influence`.
"""
