"""What an image file is: hash, type, size, and whether it is complete."""
