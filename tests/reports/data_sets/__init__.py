"""Tests of reports.data_sets."""
