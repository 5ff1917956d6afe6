"""Verifies the log and the tables: names every edit, removal and addition by other means.

Compared are every event's hash and link to the event before, the log-head file, and the rows of
every table with their seals. Memory does not grow with the works. Columns with the current state
(paths, permissions, …) are not sealed; :mod:`registry.doctor` derives them anew.

Limit: a person who can write everything, the file beside the registry included, can recompute every
  hash. Only a hash that was noted elsewhere (`creditline log head`) protects against that:
  ``expect`` proves that the log still continues from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from registry.errors import IntegrityError, UsageError
from registry.event_log.event_tree import EventTree, is_sha256
from registry.event_log.events import GENESIS, check_head, event_sha256, read_head, time_text
from registry.event_log.findings import Progress, SealedRows, Verification
from registry.event_log.parts import DIVIDED, Kept, kept_parts, parts_of_seal, sha256_of_parts
from registry.event_log.row_checks import verify_rows
from registry.event_log.seals import Seals
from registry.event_log.stored_events import stored_events
from registry.home import Home
from registry.storage.database import Registry

FOREIGN = "the registry has functions that creditline did not define and that may replace DuckDB's: {}"
DROP_FUNCTIONS = "drop them with DuckDB (DROP MACRO), and verify again"


def verify(
    registry: Registry, *, expect: str | None = None, on_progress: Progress = lambda _done, _total: None
) -> Verification:
    """Verify the whole log, and every row that it sealed.

    ``expect`` is a hash noted earlier; a log that does not continue from it is a fault.
    ``on_progress`` gets the rows checked and the rows in all.

    Raises:
        UsageError: ``expect`` is no hash.
    """
    with registry.connection() as connection:
        return verify_within(connection, registry.home, expect=expect, on_progress=on_progress)


def verify_within(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    *,
    expect: str | None = None,
    on_progress: Progress = lambda _done, _total: None,
) -> Verification:
    """:func:`verify` over an open connection."""
    if expect is not None and (len(expect) != len(GENESIS) or set(expect) - set("0123456789abcdef")):
        raise UsageError(f"got {expect[:80]!r}, expected the 64 hexadecimal digits that `creditline log head` prints")
    found = Verification()
    if functions := foreign_functions(connection):
        # No query can be trusted.
        found.fault(None, FOREIGN.format(", ".join(functions[:20])), DROP_FUNCTIONS)
        return found
    seals, tree = _verify_chain(connection, found, expect)
    _verify_head_file(home, connection, found)
    _verify_tree(connection, tree, found)
    _verify_index(connection, seals, found)
    verify_rows(connection, found, seals, on_progress)
    return found


def foreign_functions(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Functions in the registry that are not DuckDB's, and may replace one of DuckDB's."""
    # By its full name and without other functions, which could be replaced as well.
    rows = connection.execute("SELECT function_name FROM system.main.duckdb_functions() WHERE NOT internal").fetchall()
    return sorted({str(name) for (name,) in rows})


def _verify_chain(
    connection: duckdb.DuckDBPyConnection, found: Verification, expect: str | None
) -> tuple[SealedRows, EventTree]:
    sealed, tree = SealedRows(), EventTree()
    sequence, previous, latest = 0, GENESIS, ""
    expected = expect in (None, GENESIS)
    backwards = 0
    for event in stored_events(connection):
        number = event["sequence"]
        if number != sequence + 1:
            gap = f"event {sequence + 1} is" if number == sequence + 2 else f"events {sequence + 1} to {number - 1} are"
            found.fault(number, f"{gap} missing before event {number}")
        elif event["previous_sha256"] != previous:
            found.fault(
                number, f"event {number} does not follow event {sequence}: one of the two was replaced or moved"
            )
        if event_sha256(event) != event["sha256"]:
            found.fault(number, f"event {number} ({event['kind']}, {event['subject']}) was edited: its hash is another")
        _take_seals(event, sealed, tree.root, found)
        tree.append(event["sha256"] if is_sha256(event["sha256"]) else GENESIS)
        found.history.read(event)
        backwards += event["recorded_at"] is not None and event["recorded_at"] < latest
        latest = max(latest, event["recorded_at"] or "")
        sequence, previous = number, event["sha256"]
        expected = expected or previous == expect
        found.events += 1
    found.head = previous
    if backwards:
        found.notes.append(
            f"{backwards} events are older than one before them: a clock went backwards; the order stands"
        )
    if not expected:
        found.fault(
            None,
            f"no event has the expected hash {expect}: this log does not go on from there; it was cut off or rewritten",
            "find the copy of the registry that has this hash, and what happened to it since",
        )
    return sealed, tree


def _take_seals(event: Mapping[str, Any], sealed: SealedRows, root: str, found: Verification) -> None:
    number = event["sequence"]
    try:
        seals = Seals.parse(event["seals"])
    except ValueError:
        found.fault(number, f"event {number} has seals that cannot be read: it was edited")
        return
    if seals.tree not in (None, root):
        found.fault(number, f"event {number} states another hash over the events before it: one of them was edited")
    sealed.divided += [(number, seal) for seal in seals.rows if seal.parts is not None]
    for seal in seals.rows:
        if seal.first is None or seal.last is None:
            sealed.keys[seal.table][seal.key or ""] = number, seal
            continue
        before = sealed.ranges[seal.table]
        divided = [
            place for place, (_, each) in enumerate(before) if (each.first, each.last) == (seal.first, seal.last)
        ]
        if event["kind"] == DIVIDED and divided and before[divided[0]][1].parts is None:
            before[divided[0]] = number, seal
        elif seal.last < seal.first or (before and seal.first <= (before[-1][1].last or 0)):
            found.fault(
                number, f"event {number} seals rows of {seal.table} that an earlier one has sealed: it was edited"
            )
        else:
            before.append((number, seal))


def _verify_head_file(home: Home, connection: duckdb.DuckDBPyConnection, found: Verification) -> None:
    path = home.log_head
    try:
        written = read_head(path)
        if written is not None and written[0] > found.events:
            # The file may name an event that was committed since this transaction began.
            with connection.cursor() as committed:
                check_head(committed, written, path)
            return
        behind = check_head(connection, written, path)
    except IntegrityError as error:
        what, _, repair = str(error).partition("; ")
        found.fault(None, what, repair)
        return
    if behind:
        found.notes.append(
            f"{path.name} is {behind} events behind: another command is about to write it, or one was interrupted; the next "
            "change brings it up"
        )


def _verify_tree(connection: duckdb.DuckDBPyConnection, tree: EventTree, found: Verification) -> None:
    connection.register("computed_nodes", tree.new_nodes())
    (altered,) = connection.execute(
        "SELECT count(*) FROM (SELECT level, place, sha256 FROM event_node) AS kept "
        "FULL JOIN computed_nodes AS computed USING (level, place) WHERE kept.sha256 IS DISTINCT FROM computed.sha256"
    ).fetchall()[0]
    connection.unregister("computed_nodes")
    if altered:
        found.fault(None, f"{altered:,} hashes over the log (table event_node) are not those of its events")


def _verify_index(connection: duckdb.DuckDBPyConnection, sealed: SealedRows, found: Verification) -> None:
    """The table of parts has the parts of every seal, and no others."""
    kept: dict[tuple[int, str, str | None], list[Kept]] = {}
    for part in kept_parts(connection):
        kept.setdefault((part.sequence, part.table, part.key), []).append(part)
    for event, seal in sealed.divided:
        every = kept.get((event, seal.table, seal.key), [])
        of_seal = parts_of_seal(every, seal)
        if sha256_of_parts(of_seal) != seal.sha256:
            found.fault(event, f"the parts of event {event}'s seal over {seal.table} (table seal_part) were edited")
        places = set(map(id, of_seal))
        every[:] = [part for part in every if id(part) not in places]
    if extra := sum(len(listed) for listed in kept.values()):
        found.fault(None, f"{extra:,} parts of seals (table seal_part) were added without an event")


@dataclass(frozen=True)
class Choice:
    """Events to list; None: any."""

    kind: str | None = None
    subject: str | None = None
    """The whole subject, or its beginning followed by ``*``."""
    since: datetime | None = None


def entries(connection: duckdb.DuckDBPyConnection, choice: Choice, limit: int | None = None) -> pa.Table:
    """The newest events of a choice, the newest last, without their seals."""
    terms, values = ["true"], []
    for column, value in (("kind", choice.kind), ("subject", choice.subject)):
        if value is not None and value.endswith("*"):
            terms.append(f"starts_with({column}, ?)")
            values.append(value[:-1])
        elif value is not None:
            terms.append(f"{column} = ?")
            values.append(value)
    if choice.since is not None:
        terms.append("recorded_at >= ?")
        values.append(time_text(choice.since))
    return connection.execute(
        "SELECT * FROM (SELECT sequence, recorded_at, actor, kind, subject, before, after, sha256 FROM event "  # noqa: S608 - above
        f"WHERE {' AND '.join(terms)} ORDER BY sequence DESC LIMIT ?) ORDER BY sequence",
        [*values, limit],
    ).to_arrow_table()


def newest_statement(connection: duckdb.DuckDBPyConnection, kind: str, subject: str | None = None) -> str | None:
    """The ``after`` of the newest event of a kind (and of a subject), as JSON; None without one."""
    row = connection.execute(
        "SELECT after FROM event WHERE kind = $kind AND ($subject IS NULL OR subject = $subject) "
        "ORDER BY sequence DESC LIMIT 1",
        {"kind": kind, "subject": subject},
    ).fetchone()
    return None if row is None else str(row[0])
