"""Tests of registry.similarity."""
