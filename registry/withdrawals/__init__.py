"""Withdrawals: recording them, and certificates that no member in service saw the works.

What may enter: withdrawals and their consequences. Members in service:
:mod:`registry.members.serving`.
"""
