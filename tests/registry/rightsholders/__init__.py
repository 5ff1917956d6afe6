"""Tests of registry.rightsholders."""
