"""Imitation audits: the artists with their works, and the record of each audit in the log.

What may enter: the facts of an audit, as an event keeps them; queries for artists and their works.
The measurements are made in :mod:`attribution.imitation`.
"""
