"""Tests of reports.credentials."""
