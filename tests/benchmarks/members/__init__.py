"""Tests of :mod:`benchmarks.members`."""
