"""The DuckDB file: its tables and rights queries, and the only code that opens it."""
