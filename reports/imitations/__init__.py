"""Imitation audits as a page, as JSON and as tables, and their sentences in statements.

Enter here: readers of the log's event of ``creditline imitate``. Likeness is never called a cause;
only the drop without training on an artist is.
"""
