"""The DuckDB file: the only code that opens it, its tables, and the queries for current rights.

What may enter: code that any part of the registry needs to read or write rows; no rule about works.
"""
