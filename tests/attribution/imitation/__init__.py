"""Tests of attribution.imitation."""
