"""Tests of :mod:`benchmarks.auditing`."""
