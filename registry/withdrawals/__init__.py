"""Withdrawals: recording them, and certificates which prove that no member in service saw the
works. What follows a withdrawal for ensembles enters here; which members are in service is a matter
of :mod:`registry.members.serving`.
"""
