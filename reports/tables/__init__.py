"""The four tables for export: candidates, works, audits and statements, as CSV, Parquet, JSON and
JSON lines.

Each table's module has its columns and reads its rows; ``write`` writes them with their stamp.
Rows come in batches, so a table may be larger than memory. Enter here: a listing with one kind of
row and a documented column each.
"""
