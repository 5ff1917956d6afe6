"""Commands that say where an image came from."""
