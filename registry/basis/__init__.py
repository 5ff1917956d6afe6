"""What a document rests on: rows and events, checked before the document is stamped.

What may enter: finding these rows from a few ids, and comparing them with their seals.
"""
