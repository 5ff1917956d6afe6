"""Tests of registry.claims."""
