"""Checks a document that comes back: is it altered, and would the registry say the same now?
Enter here: code that knows all kinds of documents.
"""
