"""The four tables that are given out: candidates, works, audits and statements, as CSV, Parquet,
JSON and JSON lines.

``columns`` says what a column is, the modules named after the tables which columns there are and
how rows are read, ``giving`` writes them out with their stamp. Rows come in batches, so a table may
be larger than memory.
"""
