"""Taking works out: the record, which members may still serve, and certificates."""
