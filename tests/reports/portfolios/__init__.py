"""Tests of reports.portfolios."""
