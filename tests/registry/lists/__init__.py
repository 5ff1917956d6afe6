"""Tests of reading lists of works."""
