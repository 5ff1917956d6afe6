"""Tests of attribution.audit."""
