"""Tests of registry.works."""
