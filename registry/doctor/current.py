"""Columns that hold what is current: computed anew from the rows and events that are never
changed.
"""

from __future__ import annotations

import duckdb

from registry.doctor.findings import Examination
from registry.event_log.events import time_text
from registry.event_log.locations import LocationHistory
from registry.permissions.derived_columns import find_stale

__all__ = ["check_derived", "check_told", "find_stale"]

_DERIVED = "run `creditline doctor --repair`: it computes these columns anew from the rows, which are sealed"


def check_derived(connection: duckdb.DuckDBPyConnection, found: Examination) -> None:
    """Rightsholder, licence and permission of every work follow from its rows."""
    numbers = find_stale(connection)
    for number in numbers[:20]:
        found.error(
            "current", f"asset {number}", "its rightsholder, licence or permission is not what the rows say", _DERIVED
        )
    if len(numbers) > 20:
        found.error("current", "asset", f"the same for {len(numbers) - 20:,} more works", _DERIVED)
    found.checked["current"] = int(connection.execute("SELECT count(*) FROM asset").fetchall()[0][0])


def check_told(connection: duckdb.DuckDBPyConnection, found: Examination, history: LocationHistory) -> None:
    """Where works and data sets are, and which works are missing, is what the events tell."""
    missing = {
        int(number): time_text(since)
        for number, since in connection.execute(
            "SELECT id, missing_since FROM asset WHERE missing_since IS NOT NULL"
        ).fetchall()
    }
    repair = "register its folder again: creditline then records where the work is, or that it is gone"
    for number in sorted(missing.keys() ^ history.missing.keys())[:20]:
        what = "is marked as missing, which no event tells" if number in missing else "an event says that it is missing"
        found.error("current", f"asset {number}", what, repair)
    for number in sorted(
        number for number in missing.keys() & history.missing.keys() if missing[number] != history.missing[number]
    )[:20]:
        found.error("current", f"asset {number}", "is missing since another time than its event says", repair)
    if history.path:
        listed = list(history.path)
        rows = connection.execute(
            "SELECT id, path FROM asset SEMI JOIN (SELECT unnest(?::BIGINT[]) AS moved_id) ON id = moved_id ORDER BY id",
            [listed],
        ).fetchall()
        for number, path in rows:
            if path != history.path[int(number)]:
                found.error("current", f"asset {number}", f"has a path that no event tells: {str(path)[:200]}", repair)
    for name, root in connection.execute("SELECT name, root FROM data_set").fetchall():
        if root != history.root.get(name, root):
            found.error("current", f"data set {name}", f"has a folder that no event tells: {str(root)[:200]}", repair)
    for number in history.unread:
        found.error(
            "current",
            f"event {number}",
            "says in no known form what was moved or missing",
            "restore the registry from a copy",
        )
