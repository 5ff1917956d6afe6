"""The check of a document that comes back: altered or not, and whether the registry has moved
on.
"""
