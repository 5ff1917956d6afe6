"""Tests of reports/certificates."""
