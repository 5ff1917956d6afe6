"""Tests of reports.firmness."""
