"""Works for reading: their identity, their names in commands, listings, counts, details of one.

What may enter: queries about works in general, and nothing that writes.
"""
