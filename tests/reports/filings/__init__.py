"""Tests of reports.filings."""
