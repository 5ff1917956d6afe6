"""Tests of registry.image_files."""
