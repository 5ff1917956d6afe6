"""Tests of reports.outputs."""
