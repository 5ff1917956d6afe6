"""Tests of attribution.ensemble."""
