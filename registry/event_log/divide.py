"""Migration of logs of schema 3: seals get parts, and the log gets its tree of hashes.

The rows of each seal are first compared with the seal. Only rows that are as they were sealed get
parts, by the event :data:`~registry.event_log.parts.DIVIDED`; documents on others are refused, and
`creditline log verify` names them as before.
"""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb

from registry.event_log.computed_parts import parts_of_key, parts_of_range
from registry.event_log.event_tree import EventTree, is_sha256
from registry.event_log.events import GENESIS, append_event
from registry.event_log.locations import LocationHistory
from registry.event_log.parts import DIVIDED, Part, sha256_of_parts, store_parts
from registry.event_log.seals import Seal, Seals, digest_of_key, digests_of_ranges
from registry.event_log.stored_events import stored_events
from registry.storage.database import current_actor

_TABLES = (
    "CREATE TABLE seal_part (sequence BIGINT NOT NULL, table_name VARCHAR NOT NULL, key VARCHAR, first BIGINT, last BIGINT, "
    "lowest BIGINT, highest BIGINT, row_count BIGINT NOT NULL, sha256 VARCHAR NOT NULL, columns VARCHAR NOT NULL)",
    "CREATE TABLE event_node (level BIGINT NOT NULL, place BIGINT NOT NULL, sha256 VARCHAR NOT NULL)",
)


def divide_seals(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of parts and nodes, and fill them from the log."""
    for table in _TABLES:
        connection.execute(table)
    tree, history = EventTree(), LocationHistory()
    seals: dict[tuple[str, str | None, int | None], Seal] = {}
    newest = Seals()
    for event in stored_events(connection):
        tree.append(event["sha256"] if is_sha256(event["sha256"]) else GENESIS)
        history.read(event)
        try:
            newest = Seals.parse(event["seals"])
        except ValueError:
            continue  # the edited event stays as it is, for `log verify` to name
        seals |= {(seal.table, seal.key, seal.first): seal for seal in newest.rows}
    if not tree.count:
        return
    divided: list[Seal] = []
    parts: list[Part] = []
    for seal in seals.values():
        found = _parts_if_as_sealed(connection, seal, history)
        if found is not None:
            divided.append(
                Seal(seal.table, seal.rows, sha256_of_parts(found), seal.first, seal.last, seal.key, len(found))
            )
            parts += found
    facts = {"seals": len(divided), "not as sealed": len(seals) - len(divided)}
    sequence = append_event(
        connection,
        tree,
        now=datetime.now(UTC),
        actor=current_actor(),
        kind=DIVIDED,
        subject="log",
        after=facts,
        seals=Seals(tuple(divided), newest.through),
    )[0]
    tree.store(connection)
    store_parts(connection, sequence, parts)


def _parts_if_as_sealed(
    connection: duckdb.DuckDBPyConnection, seal: Seal, history: LocationHistory
) -> list[Part] | None:
    if seal.key is not None:
        found = digest_of_key(connection, seal.table, seal.key)
        fits = found.rows == seal.rows and (not found.rows or found.sha256 == seal.sha256)
        return parts_of_key(connection, seal.table, seal.key) if fits else None
    first, last = seal.first or 0, seal.last or 0
    first_values = history.first_values(connection, seal.table)
    (now,) = digests_of_ranges(connection, seal.table, [(first, last)], first_values)
    if (now.rows, now.sha256) != (seal.rows, seal.sha256):
        return None
    return parts_of_range(connection, seal.table, first, last, first_values)
