"""Rankers of other attribution libraries, for comparison."""
