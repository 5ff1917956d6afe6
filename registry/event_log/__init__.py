"""The append-only log: every change is an event, chained by hash, that seals the rows it added."""
