"""History of the columns that can change: a work's path, a data set's folder, missing works.

Rows are sealed with their first path. Moved works, moved folders and missing works are events. Read
in order, these events give the first and the present value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb

MOVED, MISSING, REGISTERED, ROOT_MOVED = "works moved", "works missing", "works registered", "data set moved"
SUPERSEDED = "works superseded"
"""Kinds of events that change these columns. Moved works: [id, path]. Works found again are part of
what was registered. A listed work that its file superseded is missing: [former id, new id]."""
KINDS = (MOVED, MISSING, REGISTERED, ROOT_MOVED, SUPERSEDED)
"""All kinds of events that :class:`LocationHistory` reads."""


@dataclass
class LocationHistory:
    """First and present locations, from events read in order."""

    first_path: dict[int, str | None] = field(default_factory=dict)
    """The first path of each moved work."""
    path: dict[int, str | None] = field(default_factory=dict)
    """The present path of each moved work."""
    missing: dict[int, str] = field(default_factory=dict)
    """Missing works, each with its time as of :func:`~registry.event_log.events.time_text`."""
    first_root: dict[str, str] = field(default_factory=dict)
    """The first folder of each moved data set, by name."""
    root: dict[str, str] = field(default_factory=dict)
    unread: list[int] = field(default_factory=list)
    """Events of these kinds that creditline did not write in this form."""

    def read(self, event: Mapping[str, Any]) -> None:
        if event["kind"] not in KINDS:
            return
        try:
            before, after = (json.loads(event[name] or "null") for name in ("before", "after"))
            self._take(event, before, after)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self.unread.append(int(event["sequence"]))

    def first_values(self, connection: duckdb.DuckDBPyConnection, table: str) -> Mapping[int, str | None]:
        """By id, the first value of the table's column in
        :data:`~registry.event_log.seals.MOVED_COLUMNS`, where it has changed.
        """
        if table == "asset":
            return self.first_path
        if table != "data_set" or not self.first_root:
            return {}
        names = connection.execute("SELECT id, name FROM data_set").fetchall()
        return {int(number): self.first_root[name] for number, name in names if name in self.first_root}

    def _take(self, event: Mapping[str, Any], before: Any, after: Any) -> None:  # noqa: ANN401 - any JSON
        if event["kind"] == MOVED:
            for number, path in before:
                self.first_path.setdefault(int(number), path)
            for number, path in after:
                self.path[int(number)] = path
                self.missing.pop(int(number), None)
        elif event["kind"] == MISSING:
            for number in after:
                self.missing.setdefault(int(number), event["recorded_at"])
        elif event["kind"] == SUPERSEDED:
            for number, _ in after:
                self.missing.setdefault(int(number), event["recorded_at"])
        elif event["kind"] == REGISTERED:
            for number in (after or {}).get("found again", ()):
                self.missing.pop(int(number), None)
        else:
            name = str(event["subject"]).removeprefix("data set ")
            self.first_root.setdefault(name, before["root"])
            self.root[name] = after["root"]
