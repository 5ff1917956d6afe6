"""Rightsholders: their records, names, identifiers and merges, and the verified rights of works.

What may enter: who owns a work, and no permission to use it (:mod:`registry.permissions`).
"""
