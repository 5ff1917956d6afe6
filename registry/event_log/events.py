"""The log: every change to the registry is an event, chained to the event before by a hash.

    with changing(registry, now) as change:
        change.connection.execute("INSERT INTO review ...")
        change.record("rights reviewed", "asset 17", after={"permission": "prohibited"})

An event's hash covers its fields and the hash of the event before, so editing, removing or moving
an event breaks the chain. The last event of a change also seals the added rows: for every
append-only table it names their ids and a digest (:mod:`registry.event_log.seals`), so an edit with
plain SQL is found as well. A chain cannot show that its end was cut off. The newest hash is
therefore also kept beside the registry, in ``log-head.json``, and printed on every report and
certificate.

Times are the machine's own, and can go backwards; order is by sequence alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from sqlmodel import SQLModel

from registry.errors import InputError, IntegrityError
from registry.event_log.computed_parts import parts_of_key, parts_of_range
from registry.event_log.event_tree import EventTree
from registry.event_log.parts import Part, sha256_of_parts, store_parts
from registry.event_log.published_keys import published_keys
from registry.event_log.seals import NUMBERED_TABLES, Seal, Seals
from registry.home import write_bytes_atomically
from registry.ids import canonical_json
from registry.storage.database import Registry

GENESIS = "0" * 64
"""The hash before the first event."""
LARGEST_HEAD = 2**20
"""Bytes of the file that keeps the newest hash and the public keys."""
LISTED = 10_000
"""Works that an event lists by id. An event about more works states only their number."""


@dataclass
class Change:
    """A transaction on the registry that ends with events."""

    connection: duckdb.DuckDBPyConnection
    actor: str
    now: datetime
    """In UTC."""
    _through: Mapping[str, int] = field(default_factory=dict)
    """The largest id of each numbered table before this change."""
    _events: list[tuple[str, str, Any, Any]] = field(default_factory=list)
    _keys: list[tuple[str, str]] = field(default_factory=list)
    _parts: dict[str, Sequence[Part]] = field(default_factory=dict)
    _permission_changes: list[pa.Table] = field(default_factory=list)

    def record(self, kind: str, subject: str, *, before: Any = None, after: Any = None) -> None:  # noqa: ANN401 - any JSON
        """Add an event; ``before`` and ``after`` are plain values, None without one."""
        self._events.append((kind, subject, before, after))

    def seal(self, table: str, key: str) -> None:
        """Also seal the rows of a key of :data:`registry.event_log.seals.KEYED_TABLES`."""
        self._keys.append((table, key))

    def add_parts(self, table: str, parts: Sequence[Part]) -> None:
        """The parts over all rows that this change adds to a numbered table.

        A bulk load hashes its rows while they are in memory, so they are not read back. If the
        change added other rows to the table as well, all are read and hashed together instead.
        """
        self._parts[table] = parts

    def record_permission_changes(self, changes: pa.Table) -> None:
        """Add changed permissions: ``asset_id``, ``former`` and ``current``, a row per work.

        At the end of the change they become one event per pair of permissions. Works that the
        change itself added are left out.
        """
        self._permission_changes.append(changes)

    def has(self, table: str, key: str) -> bool:
        """Whether a table with text ids has a row of this id.

        Only here is the answer certain: before the change, another process could add the row.
        """
        query = f"SELECT 1 FROM {table} WHERE id = ?"  # noqa: S608 - our tables
        return self.connection.execute(query, [key]).fetchone() is not None

    def insert(self, *rows: SQLModel) -> None:
        """Insert rows of the small tables."""
        for row in rows:
            values = row.model_dump()
            names = ", ".join(f'"{name}"' for name in values)
            marks = ", ".join("?" * len(values))
            self.connection.execute(
                f"INSERT INTO {row.__tablename__} ({names}) VALUES ({marks})",  # noqa: S608 - names of the models
                [canonical_json(value) if isinstance(value, dict | list) else value for value in values.values()],
            )

    def next_id(self, table: str) -> int:
        """The id of the next row of a numbered table."""
        # Never a sealed id, even if its row was deleted. By the bound, DuckDB reads few blocks.
        last = self._through.get(table, -1)
        query = f"SELECT coalesce(max(id), ?) + 1 FROM {table} WHERE id > ?"  # noqa: S608 - our tables
        return int(self.connection.execute(query, [last, last]).fetchall()[0][0])

    def _close(self) -> tuple[int, str] | None:
        """Append the events, the last one with the seals; returns the new end of the log."""
        self._record_permission_events()
        seals, parts = self._new_seals()
        if seals.rows and not self._events:
            # A defect of creditline: rows without an event look like forged ones.
            raise RuntimeError(f"rows were added without an event: {[seal.to_json() for seal in seals.rows]}")
        if not self._events:
            return None
        sequence, previous = head_of(self.connection)
        tree = EventTree.read(self.connection, sequence)
        if tree is None:
            raise IntegrityError(
                "the hashes over the log (table event_node) were edited, so nothing can be added to it; "
                "`creditline log verify` says more"
            )
        for number, (kind, subject, before, after) in enumerate(self._events, start=1):
            sequence, previous = append_event(
                self.connection,
                tree,
                now=self.now,
                actor=self.actor,
                kind=kind,
                subject=subject,
                before=before,
                after=after,
                seals=seals if number == len(self._events) else Seals(),
                previous=previous,
            )
        tree.store(self.connection)
        store_parts(self.connection, sequence, parts)
        return sequence, previous

    def _record_permission_events(self) -> None:
        tables = [
            table.append_column("turn", pa.repeat(turn, len(table)))
            for turn, table in enumerate(self._permission_changes)
        ]
        if not tables:
            return
        self.connection.register("permission_changes", pa.concat_tables(tables))
        rows = self.connection.execute(
            "SELECT former, current, count(*), CASE WHEN count(*) <= $listed THEN list(asset_id ORDER BY asset_id) END FROM ("
            "    SELECT asset_id, arg_min(former, turn) AS former, arg_max(current, turn) AS current FROM permission_changes "
            "    WHERE asset_id <= $last GROUP BY asset_id"
            ") WHERE former <> current GROUP BY ALL ORDER BY ALL",
            {"listed": LISTED, "last": self._through.get("asset", -1)},
        ).fetchall()
        self.connection.unregister("permission_changes")
        for former, current, count, works in rows:
            subject = f"asset {works[0]}" if count == 1 else f"{count} assets"
            listed = {} if count == 1 else {"works": count, "asset_ids": works}
            self.record(
                "permission changed", subject, before={"permission": former}, after={"permission": current, **listed}
            )

    def _new_seals(self) -> tuple[Seals, list[Part]]:
        through = largest_ids(self.connection, self._through)
        seals: list[Seal] = []
        every: list[Part] = []
        for table, last in through.items():
            first = self._through.get(table, -1) + 1
            if last >= first:
                parts = self._parts.get(table, ())
                if not parts or (parts[0].first, parts[-1].last) != (first, last):
                    parts = parts_of_range(self.connection, table, first, last)
                seals.append(_seal(table, parts, first=first, last=last))
                every += parts
        for table, key in self._keys:
            parts = parts_of_key(self.connection, table, key)
            seals.append(_seal(table, parts, key=key))
            every += parts
        return Seals(tuple(seals), through), every


def _seal(
    table: str, parts: Sequence[Part], *, first: int | None = None, last: int | None = None, key: str | None = None
) -> Seal:
    return Seal(table, sum(part.rows for part in parts), sha256_of_parts(parts), first, last, key, len(parts))


def append_event(
    connection: duckdb.DuckDBPyConnection,
    tree: EventTree,
    *,
    now: datetime,
    actor: str,
    kind: str,
    subject: str,
    before: Any = None,  # noqa: ANN401 - any JSON
    after: Any = None,  # noqa: ANN401 - any JSON
    seals: Seals,
    previous: str | None = None,
) -> tuple[int, str]:
    """Append an event to the table and to ``tree``, the tree over all before; returns its place.

    ``previous``: the hash of the event before, where it is known.
    """
    sequence = tree.count + 1
    event = {
        "sequence": sequence,
        "recorded_at": time_text(now),
        "actor": actor,
        "kind": kind,
        "subject": subject,
        "before": None if before is None else canonical_json(before),
        "after": None if after is None else canonical_json(after),
        "seals": replace(seals, tree=tree.root).to_text(),
        "previous_sha256": head_of(connection)[1] if previous is None else previous,
    }
    sha256 = event_sha256(event)
    connection.execute(
        "INSERT INTO event (sequence, recorded_at, actor, kind, subject, before, after, seals, previous_sha256, "
        "sha256) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [*{**event, "recorded_at": now}.values(), sha256],
    )
    tree.append(sha256)
    return sequence, sha256


@contextmanager
def changing(registry: Registry, now: datetime) -> Iterator[Change]:
    """A transaction that commits with its events and rolls back on an error.

    A block that records nothing and adds no rows leaves no event.

    Raises:
        ValueError: ``now`` has no time zone.
        ReadOnlyRegistryError: the home can only be read.
        IntegrityError: the file beside the registry contradicts the log, cut off or rewritten.
        InputError: the change is recorded, but the file beside the registry could not be written.
    """
    if now.tzinfo is None:
        raise ValueError(f"got the time {now} without a zone")
    registry.check_writable()
    # Read before the log, so that the log has every event that the file can name.
    written = read_head(registry.home.log_head)
    with registry.connection() as connection:
        # The file is written before the first event. Another process may have written it since.
        written = written or read_head(registry.home.log_head)
        check_head(connection, written, registry.home.log_head)
        # Unsealed rows that are there already were not written by creditline: they stay unsealed.
        through = largest_ids(connection, sealed_through(connection))
        change = Change(connection, registry.actor, now.astimezone(UTC), through)
        yield change
        head = change._close()
        if head is not None and written is None:
            # A log with events always has its file, so a missing file was removed.
            _write_head(registry.home.log_head, 0, GENESIS, {})
        keys = published_keys(connection)
    # After the commit: if the process is killed in between, the file is behind, which is harmless.
    if head is not None:
        try:
            _write_head(registry.home.log_head, *head, keys)
        except InputError as error:
            raise InputError(f"the change is recorded, but {error}; the next change writes it again") from error


def restore_head(registry: Registry, now: datetime) -> tuple[int, str] | None:
    """Write a lost or unreadable log-head file anew, and record that in the log.

    Returns:
        Sequence and hash at the end of the log; None if the file was there and nothing was done.

    Raises:
        IntegrityError: the file is readable and contradicts the log.
    """
    path = registry.home.log_head
    with registry.connection() as connection:
        try:
            written = read_head(path)
        except IntegrityError:
            written = None
        head = head_of(connection)
        if written is not None:
            check_head(connection, written, path)
            return None
        _write_head(path, *head, published_keys(connection))
    with changing(registry, now) as change:
        change.record("log head restored", "log", after={"sequence": head[0], "sha256": head[1]})
    return head


def _write_head(path: Path, sequence: int, sha256: str, keys: Mapping[str, str]) -> None:
    document = {"sequence": sequence, "sha256": sha256, **({"keys": dict(keys)} if keys else {})}
    write_bytes_atomically(path, (canonical_json(document) + "\n").encode())


def read_head(path: Path) -> tuple[int, str] | None:
    """Sequence and hash in the file beside the registry; None if there is no file.

    Raises:
        IntegrityError: creditline did not write the file in this form.
    """
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(LARGEST_HEAD + 1))
        sequence, sha256 = document["sequence"], document["sha256"]
    except (FileNotFoundError, IsADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        sequence, sha256 = None, None
    if type(sequence) is not int or not abs(sequence) < 2**63 or not isinstance(sha256, str):
        raise IntegrityError(
            f"{path} cannot be read: it was edited; restore it from a copy, or, if the log ends where you expect, run "
            "`creditline log head --restore`"
        )
    return sequence, sha256


def check_head(connection: duckdb.DuckDBPyConnection, written: tuple[int, str] | None, path: Path) -> int:
    """Compare the log-head file with the log; returns how many events the file is behind.

    An interruption leaves the file behind. Any other difference means that the log was cut off or
    rewritten; adding to the log and writing the file anew would destroy the evidence.

    Raises:
        IntegrityError: the log does not have the event that the file names.
    """
    last, _ = head_of(connection)
    if written is None and last:
        raise IntegrityError(
            f"{path} is missing, so that nothing says where the log ends; restore it from a copy, or, if the log ends where "
            "you expect, run `creditline log head --restore`"
        )
    if written is None or written == (0, GENESIS):
        return last
    sequence, sha256 = written
    if sequence > last:
        raise IntegrityError(
            f"the end of the log was cut off: {path} names event {sequence:,}, the last one is {last:,}; nothing is added to "
            "such a log: restore registry.duckdb from a copy"
        )
    row = connection.execute("SELECT sha256 FROM event WHERE sequence = ?", [sequence]).fetchone()
    if not row or row[0] != sha256:
        raise IntegrityError(
            f"{path} has another hash for event {sequence:,} than the log: one of the two was rewritten; nothing is added to "
            "such a log: restore both from a copy"
        )
    return last - sequence


def head_of(connection: duckdb.DuckDBPyConnection) -> tuple[int, str]:
    """Sequence and hash of the newest event; 0 and :data:`GENESIS` for an empty log."""
    row = connection.execute(
        "SELECT sequence, sha256 FROM event WHERE sequence = (SELECT max(sequence) FROM event)"
    ).fetchone()
    return (int(row[0]), str(row[1])) if row else (0, GENESIS)


def time_text(moment: datetime) -> str:
    """A time as it is hashed: ISO 8601 with microseconds, in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def event_sha256(event: Mapping[str, Any]) -> str:
    """The hash of an event: of its fields as canonical JSON, with the time of :func:`time_text`."""
    fields = {name: value for name, value in event.items() if name != "sha256"}
    return hashlib.sha256(canonical_json(fields).encode()).hexdigest()


def sealed_through(connection: duckdb.DuckDBPyConnection) -> Mapping[str, int]:
    """The largest sealed id of each numbered table, from the newest event."""
    row = connection.execute("SELECT seals FROM event WHERE sequence = (SELECT max(sequence) FROM event)").fetchone()
    try:
        return Seals.parse(row[0]).through if row else {}
    except ValueError as error:
        raise IntegrityError(
            "the newest event of the log was edited, so nothing can be added to it; `creditline log verify` says more"
        ) from error


def largest_ids(connection: duckdb.DuckDBPyConnection, through: Mapping[str, int]) -> dict[str, int]:
    """The largest id of each numbered table with rows; reads only ids above ``through``."""
    # With a lower bound DuckDB reads the last blocks only.
    columns = ", ".join(
        f"(SELECT max(id) FROM {table} WHERE id > {int(through.get(table, -1))})"  # noqa: S608 - our tables
        for table in NUMBERED_TABLES
    )
    found = connection.execute(f"SELECT {columns}").fetchall()[0]
    larger = {table: int(last) for table, last in zip(NUMBERED_TABLES, found, strict=True) if last is not None}
    return {**through, **larger}
