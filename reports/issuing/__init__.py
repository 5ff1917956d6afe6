"""Giving documents out: stamps, the log entry, and the check of a document that comes back."""
