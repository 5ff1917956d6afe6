"""Tests of attribution.metrics."""
