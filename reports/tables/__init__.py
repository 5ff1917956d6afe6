"""The four tables that are issued: candidates, works, audits and statements, as CSV, Parquet,
JSON and JSON lines.

The modules named after the tables say which columns there are and how rows are read; ``write``
writes them with their stamp. Rows come in batches, so a table may
be larger than memory.
"""
