"""Tests of reports.imitations."""
