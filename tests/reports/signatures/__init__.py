"""Tests of reports/signatures."""
