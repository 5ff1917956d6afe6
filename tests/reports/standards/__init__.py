"""Tests of reports.standards."""
