"""Tests of attribution.ablation.scan."""
