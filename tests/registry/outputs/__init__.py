"""Tests of registry.outputs."""
