"""Encodings: the codes of units, and the units with their works in the database.

Code that makes or reads codes enters here. The members that saw a work:
:mod:`registry.members.seen`.
"""
