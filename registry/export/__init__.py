"""Listings as files: CSV, Parquet and JSON of any length."""
