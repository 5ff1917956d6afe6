"""Rightsholders: their records, names and identifiers, and the verified rights of works."""
