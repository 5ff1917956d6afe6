"""Tests of registry.licences."""
