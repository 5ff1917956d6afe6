"""Tests of attribution.engines."""
