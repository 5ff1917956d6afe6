"""Tests of :mod:`attribution`."""
