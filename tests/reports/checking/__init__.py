"""Tests of reports.checking."""
