"""Tests of registry.doctor."""
