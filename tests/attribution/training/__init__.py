"""Tests of attribution.training."""
