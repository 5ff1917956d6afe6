"""Tests of :mod:`benchmarks.grades`."""
