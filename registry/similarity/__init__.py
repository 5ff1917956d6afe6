"""Perceptual hashes of pictures, near duplicates among works, and searching by picture."""
