"""Tests of registry.permissions."""
