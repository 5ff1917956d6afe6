"""Tests of registry/captions."""
