"""Tests of attribution.sampling."""
