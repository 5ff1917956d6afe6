"""Tests of the site policies."""
