"""Tests of attribution.ranking."""
