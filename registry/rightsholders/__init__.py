"""Rightsholders: their records, names, identifiers and merges, and the verified rights of works.

What may enter: the owners of works, and no permission to use them (:mod:`registry.permissions`).
"""
