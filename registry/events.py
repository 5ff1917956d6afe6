"""The log: every change to the registry is an event, chained to the one before by a hash, and seals the rows it added.

    with changing(registry, now) as change:
        change.connection.execute("INSERT INTO review ...")
        change.record("rights reviewed", "asset 17", before=None, after={"permission": "prohibited"})

An event's hash is over all its fields and the hash of the event before, so one that is edited, removed or moved breaks the
chain from there on. Rows are sealed: the event that closes a change names, for every append-only table, the ids that were
added and a digest over them (:mod:`registry.digest`), so a row that is edited with plain SQL is found, too. What a chain
cannot tell by itself is that its end was cut off; the newest hash is therefore also kept beside the registry, in
``log-head.json``, and is printed on every report and certificate, where somebody else holds it.

Times are the machine's own, and may go backwards; order is by sequence alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import duckdb
from sqlmodel import SQLModel

from registry.database import Registry
from registry.digest import Digest, digest_of
from registry.home import write_bytes_atomically
from registry.ids import canonical_json

GENESIS = "0" * 64
"""The hash before the first event."""

CURRENT_COLUMNS: Mapping[str, frozenset[str]] = {
    "asset": frozenset(
        {"path", "missing_since", "declared_id", "verified_id", "rightsholder_id", "licence_id", "permission"}
    ),
    "rightsholder": frozenset({"merged_into"}),
    "data_set": frozenset({"root"}),
}
"""Columns that hold what is current now; they follow from sealed rows and events and are not sealed themselves."""

NUMBERED_TABLES = (
    "data_set",
    "asset",
    "asset_rights",
    "co_rightsholder",
    "embedded_metadata",
    "rights_signal",
    "site_policy",
    "fingerprint",
    "near_duplicate",
    "rightsholder",
    "rightsholder_details",
    "rightsholder_identifier",
    "rightsholder_merge",
    "licence",
    "review",
    "claim",
    "claim_work",
    "claim_decision",
    "withdrawal",
    "withdrawal_work",
)
"""Tables whose rows are numbered in order of insertion; every change seals what it added to them."""

KEYED_TABLES: Mapping[str, tuple[str, str]] = {
    "encoding": ("id", "id"),
    "unit": ("encoding_id", "number"),
    "unit_asset": ("encoding_id", "unit_number, asset_id"),
    "ensemble": ("id", "id"),
    "member": ("id", "id"),
    "sample": ("id", "id"),
    "audit": ("id", "id"),
    "candidate": ("audit_id", "rank"),
    "candidate_work": ("audit_id", "unit_number, position"),
}
"""Tables whose rows belong to a thing with an id: the column that names it, and the order of its rows."""


@dataclass(frozen=True)
class Seal:
    """A digest over rows of one table: those numbered ``first`` to ``last``, or those of the thing ``key``."""

    table: str
    rows: int
    sha256: str
    first: int | None = None
    last: int | None = None
    key: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Its fields, without those that do not apply."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass
class Change:
    """A transaction on the registry that ends with events."""

    connection: duckdb.DuckDBPyConnection
    actor: str
    now: datetime
    _events: list[tuple[str, str, Any, Any]] = field(default_factory=list)
    _keys: list[tuple[str, str]] = field(default_factory=list)

    def record(self, kind: str, subject: str, *, before: Any = None, after: Any = None) -> None:  # noqa: ANN401 - any JSON
        """Say what was changed; ``before`` and ``after`` are plain values, None where there was or is nothing."""
        self._events.append((kind, subject, before, after))

    def seal(self, table: str, key: str) -> None:
        """Also seal the rows of a thing with an id, see :data:`KEYED_TABLES`."""
        self._keys.append((table, key))

    def insert(self, *rows: SQLModel) -> None:
        """Insert rows of the small tables."""
        for row in rows:
            values = row.model_dump()
            names = ", ".join(f'"{name}"' for name in values)
            marks = ", ".join("?" * len(values))
            self.connection.execute(
                f"INSERT INTO {row.__tablename__} ({names}) VALUES ({marks})",  # noqa: S608 - names of our models
                [canonical_json(value) if isinstance(value, dict | list) else value for value in values.values()],
            )

    def next_id(self, table: str) -> int:
        """The number of the next row of a numbered table."""
        row = self.connection.execute(f"SELECT coalesce(max(id) + 1, 0) FROM {table}").fetchall()[0]  # noqa: S608 - our tables
        return int(row[0])

    def _close(self) -> tuple[int, str] | None:
        """Append the events, the last one with the seals; returns the new end of the log, None if nothing was recorded."""
        head = head_of(self.connection)
        seals = [*_new_seals(self.connection, head), *(seal_of_key(self.connection, *key) for key in self._keys)]
        # A defect of ours: rows that no event speaks of could never be told from forged ones.
        assert self._events or not seals, f"rows were added without an event: {seals}"  # noqa: S101
        if not self._events:
            return None
        sequence, previous = head
        for number, (kind, subject, before, after) in enumerate(self._events, start=1):
            sequence += 1
            event = {
                "sequence": sequence,
                "recorded_at": self.now.astimezone(UTC).isoformat(timespec="microseconds"),
                "actor": self.actor,
                "kind": kind,
                "subject": subject,
                "before": None if before is None else canonical_json(before),
                "after": None if after is None else canonical_json(after),
                "seals": canonical_json([seal.to_json() for seal in seals] if number == len(self._events) else []),
                "previous_sha256": previous,
            }
            previous = event_sha256(event)
            self.connection.execute(
                "INSERT INTO event (sequence, recorded_at, actor, kind, subject, before, after, seals, previous_sha256, "
                "sha256) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [*{**event, "recorded_at": self.now}.values(), previous],
            )
        return sequence, previous


@contextmanager
def changing(registry: Registry, now: datetime) -> Iterator[Change]:
    """A transaction that adds to the log: commits at the end with its events, rolls back on an error.

    A block that records nothing and adds no rows leaves no event.
    """
    with registry.connection() as connection:
        change = Change(connection, registry.actor, now)
        yield change
        head = change._close()
    # After the commit: killed in between, the file is behind the log, which is no sign of anything cut off.
    if head is not None:
        document = {"sequence": head[0], "sha256": head[1]}
        write_bytes_atomically(registry.home.log_head, (canonical_json(document) + "\n").encode())


def head_of(connection: duckdb.DuckDBPyConnection) -> tuple[int, str]:
    """Sequence and hash of the newest event; 0 and :data:`GENESIS` for an empty log."""
    row = connection.execute("SELECT sequence, sha256 FROM event ORDER BY sequence DESC LIMIT 1").fetchone()
    return (int(row[0]), str(row[1])) if row else (0, GENESIS)


def event_sha256(event: Mapping[str, Any]) -> str:
    """The hash of an event: of its fields as canonical JSON, the time in ISO 8601 with microseconds, UTC."""
    fields = {name: value for name, value in event.items() if name != "sha256"}
    return hashlib.sha256(canonical_json(fields).encode()).hexdigest()


def sealed_columns(table: str) -> list[str]:
    """The columns of a table that a seal covers, in the schema's order."""
    columns = SQLModel.metadata.tables[table].columns.keys()
    return [name for name in columns if name not in CURRENT_COLUMNS.get(table, ())]


def digest_of_rows(connection: duckdb.DuckDBPyConnection, table: str, first: int, last: int) -> Digest:
    """The digest over the rows of a numbered table, by id."""
    columns = ", ".join(f'"{name}"' for name in sealed_columns(table))
    return digest_of(
        connection.execute(
            f"SELECT {columns} FROM {table} WHERE id BETWEEN ? AND ? ORDER BY id",  # noqa: S608 - our tables
            [first, last],
        )
    )


def seal_of_key(connection: duckdb.DuckDBPyConnection, table: str, key: str) -> Seal:
    """The seal over the rows that belong to a thing with an id."""
    column, order = KEYED_TABLES[table]
    columns = ", ".join(f'"{name}"' for name in sealed_columns(table))
    query = f"SELECT {columns} FROM {table} WHERE {column} = ? ORDER BY {order}"  # noqa: S608 - our tables
    found = digest_of(connection.execute(query, [key]))
    return Seal(table, found.rows, found.sha256, key=key)


def sealed_through(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """By numbered table, the largest id that some event has sealed."""
    rows = connection.execute(
        "SELECT seal ->> 'table', max((seal ->> 'last')::BIGINT) "
        "FROM (SELECT unnest(from_json(seals, '[\"JSON\"]')) AS seal FROM event) WHERE seal ->> 'last' IS NOT NULL GROUP BY 1"
    ).fetchall()
    return {str(table): int(last) for table, last in rows}


def _new_seals(connection: duckdb.DuckDBPyConnection, head: tuple[int, str]) -> list[Seal]:
    through = sealed_through(connection) if head[0] else {}
    largest = connection.execute(
        "SELECT " + ", ".join(f"(SELECT max(id) FROM {table})" for table in NUMBERED_TABLES)  # noqa: S608 - our tables
    ).fetchall()[0]
    seals = []
    for table, last in zip(NUMBERED_TABLES, largest, strict=True):
        first = through.get(table, -1) + 1
        if last is not None and last >= first:
            found = digest_of_rows(connection, table, first, last)
            seals.append(Seal(table, found.rows, found.sha256, first=first, last=int(last)))
    return seals


def seals_of(text: str) -> list[Seal]:
    """The seals that an event's ``seals`` column holds.

    Raises:
        ValueError: it is not what this module writes.
    """
    try:
        return [Seal(**fields) for fields in json.loads(text)]
    except TypeError as error:
        raise ValueError(str(error)) from error
