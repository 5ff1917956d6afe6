"""Tests of registry/basis."""
