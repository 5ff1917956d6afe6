"""Tests of registry.withdrawals."""
