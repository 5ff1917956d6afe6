"""Tables of any length as CSV, JSON and Parquet files.

What may enter: file formats for Arrow tables, and no table of the registry.
"""
