"""Nearest works by embedding through an index, where there are very many works.

What may enter: the index of an embedding's features, kept beside them, its measured recall
(:mod:`~.index`), and the library that searches it (:mod:`~.library`). The scores of works belong to
their ranker: an index only names the works that can be near.
"""
