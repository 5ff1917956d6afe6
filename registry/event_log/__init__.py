"""The log of changes: every write to the registry is an event that seals the rows that it added.

What may enter: writing, reading and verifying events, and no meaning of an event's content.
"""
