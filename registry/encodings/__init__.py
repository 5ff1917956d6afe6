"""Encodings: the codes of units, and the units with their works in the database. Code that makes or
reads codes enters here; which members saw a work is a matter of :mod:`registry.members.seen`.
"""
