"""Tests of registry.export."""
