"""Works for reading: their identity, how people name them, listings, counts, and all about one.

What may enter: queries about works in general, and nothing that writes.
"""
