"""Commands about works and their rightsholders: register, list, describe, query."""
