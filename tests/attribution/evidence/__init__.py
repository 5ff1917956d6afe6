"""Tests of attribution.evidence."""
