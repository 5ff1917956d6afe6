"""Fuzz harnesses that are run by hand; they need the extra ``fuzz``."""
