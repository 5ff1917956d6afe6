"""Tests of the pages in docs and of what they say about the code."""
