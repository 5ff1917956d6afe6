"""Tests of registry.ingest.lists."""
