"""Registering a list of works by its metadata alone: ten million rows in minutes.

    batches       the list as Arrow tables of bounded size, read ahead by a second thread
    texts         texts trimmed and brought into one spelling
    checks        rows that might have to be refused, by the bytes of their columns
    store         one batch into the registry: one transaction, one event
    registration  the whole list, in batches that survive being killed

No value becomes a Python object and nothing is read twice, so cost grows with the bytes alone.

What may enter: rules for whole columns. Rules shared with files: :mod:`registry.ingest.store`.
"""

from registry.ingest.bulk.registration import ListReport, Refusal, register_list

__all__ = ["ListReport", "Refusal", "register_list"]
