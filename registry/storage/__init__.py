"""The DuckDB file: its tables, views, column types and migrations, and the only code that opens
it.
"""
