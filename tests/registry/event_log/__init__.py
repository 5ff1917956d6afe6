"""Tests of registry.event_log."""
