"""Tests of reports.issuing."""
