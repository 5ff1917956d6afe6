"""Withdrawals: recording them, and certificates that no member in service saw the works.

What follows a withdrawal for ensembles enters here; :mod:`registry.members.serving` knows the
members in service.
"""
