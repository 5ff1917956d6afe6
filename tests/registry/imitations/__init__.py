"""Tests of registry.imitations."""
