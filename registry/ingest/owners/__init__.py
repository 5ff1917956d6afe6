"""Whose a file is, according to whoever registers it."""
