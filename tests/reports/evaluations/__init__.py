"""Tests of reports.evaluations."""
