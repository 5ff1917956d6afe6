"""Derived columns: compared with the rows and events that they are computed from."""

from __future__ import annotations

import duckdb

from registry.doctor.findings import Examination
from registry.event_log.events import time_text
from registry.event_log.locations import LocationHistory
from registry.permissions.derived_columns import find_stale

__all__ = ["check_derived", "check_told", "find_stale"]

_DERIVED = "run `creditline doctor --repair`: it recomputes these columns from the sealed rows"


def check_derived(connection: duckdb.DuckDBPyConnection, found: Examination) -> None:
    """Rightsholder, licence, permission and caption of every work follow from its rows."""
    numbers = find_stale(connection)
    for number in numbers[:20]:
        found.error(
            "current",
            f"work {number}",
            "its rightsholder, licence, permission or caption is not what the rows say",
            _DERIVED,
        )
    if len(numbers) > 20:
        found.error("current", "works", f"the same for {len(numbers) - 20:,} more works", _DERIVED)
    found.checked["current"] = int(connection.execute("SELECT count(*) FROM asset").fetchall()[0][0])


def check_told(connection: duckdb.DuckDBPyConnection, found: Examination, history: LocationHistory) -> None:
    """Locations of works and data sets, and missing works, are those in the log."""
    missing = {
        int(number): time_text(since)
        for number, since in connection.execute(
            "SELECT id, missing_since FROM asset WHERE missing_since IS NOT NULL"
        ).fetchall()
    }
    repair = "register its folder again: this records where the work is, or that it is missing"
    for number in sorted(missing.keys() ^ history.missing.keys())[:20]:
        what = (
            "is marked as missing, but no event says so"
            if number in missing
            else "is missing by the log, but not marked"
        )
        found.error("current", f"work {number}", what, repair)
    for number in sorted(
        number for number in missing.keys() & history.missing.keys() if missing[number] != history.missing[number]
    )[:20]:
        found.error("current", f"work {number}", "has another time of going missing than its event", repair)
    if history.path:
        listed = list(history.path)
        rows = connection.execute(
            "SELECT id, path FROM asset SEMI JOIN (SELECT unnest(?::BIGINT[]) AS moved_id) ON id = moved_id ORDER BY id",
            [listed],
        ).fetchall()
        for number, path in rows:
            if path != history.path[int(number)]:
                found.error("current", f"work {number}", f"has a path that no event names: {str(path)[:200]}", repair)
    for name, root in connection.execute("SELECT name, root FROM data_set").fetchall():
        if root != history.root.get(name, root):
            found.error("current", f"data set {name}", f"has a folder that no event names: {str(root)[:200]}", repair)
    for number in history.unread:
        found.error(
            "current",
            f"event {number}",
            "names moved or missing works in an unknown form",
            "restore the registry from a copy",
        )
