"""Tests of registry.schema."""
