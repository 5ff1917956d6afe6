"""Registering a list of works by its metadata alone, ten million rows at a time.

    batches       the list as Arrow tables of bounded size, read ahead by a second thread
    checks        which rows might be refused, told from the columns' bytes; only those are looked at closely
    matching      which rows are new, and which are works that the registry has
    names         rightsholders and licences to ids
    newer         what a list says otherwise of works that are known, and conflicts: whom that contradicts
    store         one batch into the registry: one transaction, one event
    registration  all of it, in batches that survive being killed

A row costs what its bytes cost: no value becomes a Python object, and nothing is read twice.
"""

from registry.ingest.bulk.registration import ListReport, Refusal, register_list

__all__ = ["ListReport", "Refusal", "register_list"]
