"""Tests of registry.encodings."""
