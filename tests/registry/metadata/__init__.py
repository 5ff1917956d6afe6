"""Tests of what a file says about its work."""
