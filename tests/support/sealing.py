"""Rows that count as creditline's own: added through the log, or sealed anew after plain SQL.

:func:`reseal` computes every hash of a log anew, as only a person can who may write the registry
and the file beside it. Tests use it to bring a registry into a state that commands do not reach.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import duckdb
from sqlmodel import SQLModel

from registry.event_log.computed_parts import parts_of_key, parts_of_range
from registry.event_log.event_tree import EventTree
from registry.event_log.events import GENESIS, _write_head, changing, event_sha256, largest_ids
from registry.event_log.parts import Part, sha256_of_parts, store_parts
from registry.event_log.seals import KEYED_TABLES, Seal, Seals
from registry.event_log.stored_events import stored_events
from registry.permissions.derived_columns import _recompute_rights
from registry.permissions.rule import EFFECTIVE
from registry.storage.database import Registry
from registry.storage.selection import selected_works


def add_sealed(registry: Registry, now: datetime, *rows: SQLModel) -> None:
    """Add rows by one event of the actor ``tests``."""
    with changing(replace(registry, actor="tests"), now) as change:
        change.insert(*rows)
        keys = [
            (str(row.__tablename__), str(getattr(row, KEYED_TABLES[str(row.__tablename__)][0])))
            for row in rows
            if row.__tablename__ in KEYED_TABLES
        ]
        for table, key in dict.fromkeys(keys):
            change.seal(table, key)
        change.record("things added", f"{len(rows)} rows", after={"rows": len(rows)})


def decide(connection: duckdb.DuckDBPyConnection, asset_id: int, permission: str) -> None:
    """A review of one work, by plain SQL; :func:`reseal` makes it count."""
    connection.execute(
        "INSERT INTO review (id, scope, subject_id, permission, reason, recorded_by, recorded_at) "
        "SELECT coalesce(max(id), -1) + 1, 'asset', ?, ?, 'contract', 'tests', ? FROM review",
        [asset_id, permission, datetime.now(UTC)],
    )


def reseal(registry: Registry) -> None:
    """Make the current columns follow from the rows, and the log fit the rows as they are.

    Gaps between events are filled, and the last event seals all rows.
    """
    with registry.connection() as connection:
        _recompute(connection)
        _fill_gaps(connection)
        events = list(stored_events(connection))
        connection.execute("DELETE FROM event_node")
        connection.execute("DELETE FROM seal_part")
        tree, previous = EventTree(), GENESIS
        for event in events:
            seals, parts = _everything(connection) if event is events[-1] else (Seals(), [])
            sealed = {**event, "seals": replace(seals, tree=tree.root).to_text(), "previous_sha256": previous}
            previous = event_sha256(sealed)
            connection.execute(
                "UPDATE event SET seals = ?, previous_sha256 = ?, sha256 = ? WHERE sequence = ?",
                [sealed["seals"], sealed["previous_sha256"], previous, event["sequence"]],
            )
            tree.append(previous)
            store_parts(connection, event["sequence"], parts)
        tree.store(connection)
    _write_head(registry.home.log_head, len(events), previous, {})


def _recompute(connection: duckdb.DuckDBPyConnection) -> None:
    with selected_works(connection, None):
        _recompute_rights(connection)
        connection.execute(
            f"UPDATE asset SET permission = found.permission FROM ({EFFECTIVE}) AS found WHERE asset.id = found.asset_id"  # noqa: S608
        )


def _fill_gaps(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "INSERT INTO event (sequence, recorded_at, actor, kind, subject, seals, previous_sha256, sha256) "
        "SELECT number, (SELECT min(recorded_at) FROM event), 'tests', 'nothing', 'nothing', '', '', '' "
        "FROM generate_series(1, (SELECT max(sequence) FROM event)) AS every(number) "
        "WHERE number NOT IN (SELECT sequence FROM event)"
    )


def _everything(connection: duckdb.DuckDBPyConnection) -> tuple[Seals, list[Part]]:
    through = largest_ids(connection, {})
    seals: list[Seal] = []
    every: list[Part] = []
    keys = [
        (table, str(key))
        for table, (column, _) in KEYED_TABLES.items()
        for (key,) in connection.execute(f"SELECT DISTINCT {column} FROM {table} ORDER BY 1").fetchall()  # noqa: S608
    ]
    for table, last, key in (
        *((table, last, None) for table, last in through.items()),
        *((table, None, key) for table, key in keys),
    ):
        parts = parts_of_range(connection, table, 0, last or 0) if key is None else parts_of_key(connection, table, key)
        rows = sum(part.rows for part in parts)
        first = 0 if key is None else None
        seals.append(Seal(table, rows, sha256_of_parts(parts), first, last, key, len(parts)))
        every += parts
    return Seals(tuple(seals), through), every
