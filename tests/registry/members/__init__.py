"""Tests of registry.members."""
