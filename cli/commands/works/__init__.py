"""Commands about works and whose they are."""
