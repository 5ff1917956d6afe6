"""Tests of reports.rendering."""
