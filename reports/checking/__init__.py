"""The check of a document that comes back: altered or not, and whether the registry would say the
same now. Enter here: what knows all kinds of documents.
"""
