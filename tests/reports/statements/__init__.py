"""Tests of reports.statements."""
