"""Tables of any length as CSV, JSON and Parquet files. Knows Arrow, but not the registry."""
