"""Tests of attribution.firmness."""
