"""Tests of reports.settlements."""
