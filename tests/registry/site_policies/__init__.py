"""Tests of registry.site_policies."""
