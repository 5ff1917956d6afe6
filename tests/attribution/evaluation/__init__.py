"""Tests of attribution.evaluation."""
