"""Tests of registry.bases."""
