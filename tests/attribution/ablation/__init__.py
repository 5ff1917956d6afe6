"""Tests of attribution.ablation."""
