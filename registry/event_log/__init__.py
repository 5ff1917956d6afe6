"""The log of changes: events, seals, and verifying both. Every write to the registry goes through
it.
"""
