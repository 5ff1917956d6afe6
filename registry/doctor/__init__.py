"""The doctor: checks that the registry and its home are consistent.

Derived values are computed anew and compared; all others are checked against their hash. Only
:func:`repair` changes anything.

What may enter: checks of stored data, one module per subject.
"""

from __future__ import annotations

from datetime import datetime

from registry.doctor import bases, current, encodings, files, members, readings, reference_models, tables
from registry.doctor.findings import Examination, Finding, Progress, Severity
from registry.event_log.events import changing
from registry.event_log.verify import verify_within
from registry.permissions.derived_columns import recompute
from registry.storage.database import Registry

__all__ = ["Examination", "Finding", "Progress", "Severity", "examine", "repair"]


def examine(
    registry: Registry,
    *,
    read_works: bool | None = None,
    quick: bool = False,
    on_progress: Progress = lambda _check, _done, _total: None,
) -> Examination:
    """Examine the registry and its home.

    ``read_works``: whether to read every work's file; None: if all together have at most
    :data:`registry.doctor.files.SMALL` bytes. ``quick`` skips the files of works, bases,
    members and outputs. ``on_progress`` gets the check, the number done and the number in all.

    Raises:
        RegistryError: the database is unreadable, locked, or of another schema.
    """
    found = Examination()
    with registry.connection() as connection:
        if not tables.check_columns(connection, found):
            return found
        tables.check_numbers(connection, found)
        tables.check_references(connection, found)
        tables.check_merges(connection, found)
        tables.check_names(connection, found)
        tables.check_identities(connection, found)
        log = verify_within(connection, registry.home, on_progress=lambda done, total: on_progress("log", done, total))
        found.checked |= {"log": log.events, "sealed rows": log.rows}
        for fault in log.faults:
            found.error("log", "log" if fault.event is None else f"event {fault.event}", fault.what, fault.repair)
        if log.unlisted:
            found.unlisted["log"] += log.unlisted
        for note in log.notes:
            found.add("log", Severity.NOTE, "log", note, "nothing needs to be done")
        current.check_derived(connection, found)
        readings.check_readings(connection, found)
        current.check_told(connection, found, log.history)
        encodings.check_encodings(connection, found, on_progress)
    members.check_members(registry, found, on_progress, files=not quick)
    members.note_out_of_service(registry, found)
    bases.check_bases(registry, found, on_progress, files=not quick, every=bool(read_works))
    reference_models.check_reference_models(registry, found, files=not quick)
    files.check_leftovers(registry, found)
    if quick:
        found.skipped["files"] = "--quick"
        return found
    files.check_outputs(registry, found)
    if read_works or (read_works is None and files.bytes_of_works(registry) <= files.SMALL):
        files.check_works(registry, found, on_progress)
    else:
        found.skipped["works"] = "they are large; `creditline doctor --files` reads all of them"
    return found


def repair(registry: Registry, now: datetime) -> int:
    """Recompute the derived columns of all works and log it; returns the number of corrected works.

    Nothing else can be repaired: sealed rows can only be restored from a copy.
    """
    with changing(registry, now) as change:
        numbers = current.find_stale(change.connection)
        if numbers:
            recompute(change, numbers)
            change.record("current columns repaired", "works", after={"works": len(numbers), "first": numbers[:20]})
    return len(numbers)
