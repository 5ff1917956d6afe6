"""Commands that give documents to others."""
