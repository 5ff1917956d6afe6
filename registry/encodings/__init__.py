"""Encodings: the codes of units, and the units with their works in the database.

What may enter: making and reading codes. The members that saw a work: :mod:`registry.members.seen`.
"""
