"""An audit: the three layers on one image, and its record."""
