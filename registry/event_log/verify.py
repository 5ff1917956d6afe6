"""Verifies the log and the tables: names every edit, removal and addition by other means.

Compared are every event's hash and link to the event before, the log-head file, and the rows of
every table with their seals. Memory does not grow with the works. Columns with the current state
(paths, permissions, …) are not sealed; :mod:`registry.doctor` derives them anew.

Limit: a person who can write everything, the file beside the registry included, can recompute every
  hash. Only a hash that was noted elsewhere (`creditline log head`) protects against that:
  ``expect`` proves that the log still continues from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from registry.errors import IntegrityError, UsageError
from registry.event_log.events import GENESIS, check_head, event_sha256, read_head, time_text
from registry.event_log.findings import Progress, SealedRows, Verification
from registry.event_log.row_checks import verify_rows
from registry.event_log.seals import Seals
from registry.home import Home
from registry.storage.database import Registry

_FIELDS = ("sequence", "actor", "kind", "subject", "before", "after", "seals", "previous_sha256", "sha256")
FOREIGN = "the registry has functions that creditline did not define and that may replace DuckDB's: {}"
DROP_FUNCTIONS = "drop them with DuckDB (DROP MACRO), and verify again"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
    seals = _verify_chain(connection, found, expect)
    _verify_head_file(home, connection, found)
    verify_rows(connection, found, seals, on_progress)
    return found


def foreign_functions(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Functions in the registry that are not DuckDB's, and may replace one of DuckDB's."""
    # By its full name and without other functions, which could be replaced as well.
    rows = connection.execute("SELECT function_name FROM system.main.duckdb_functions() WHERE NOT internal").fetchall()
    return sorted({str(name) for (name,) in rows})


def _events(connection: duckdb.DuckDBPyConnection) -> Iterator[dict[str, Any]]:
    """Events in order. A time that no clock can show becomes None: no event was hashed with it."""
    columns = ", ".join(f'"{name}"' for name in _FIELDS)
    # The values are not trusted: a time may be infinite, or beyond Python's range.
    cursor = connection.execute(
        f"SELECT CASE WHEN isfinite(recorded_at) THEN epoch_us(recorded_at) END, {columns} FROM event ORDER BY sequence"  # noqa: S608 - constants
    )
    while rows := cursor.fetchmany(1000):
        for microseconds, *values in rows:
            try:
                moment = time_text(_EPOCH + timedelta(microseconds=microseconds))
            except (OverflowError, TypeError):
                moment = None
            yield {"recorded_at": moment, **dict(zip(_FIELDS, values, strict=True))}


def _verify_chain(connection: duckdb.DuckDBPyConnection, found: Verification, expect: str | None) -> SealedRows:
    sealed = SealedRows()
    sequence, previous, latest = 0, GENESIS, ""
    expected = expect in (None, GENESIS)
    backwards = 0
    for event in _events(connection):
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
        _take_seals(event, sealed, found)
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
    return sealed


def _take_seals(event: Mapping[str, Any], sealed: SealedRows, found: Verification) -> None:
    number = event["sequence"]
    try:
        seals = Seals.parse(event["seals"])
    except ValueError:
        found.fault(number, f"event {number} has seals that cannot be read: it was edited")
        return
    for seal in seals.rows:
        if seal.first is None or seal.last is None:
            sealed.keys[seal.table][seal.key or ""] = number, seal
            continue
        before = sealed.ranges[seal.table]
        if seal.last < seal.first or (before and seal.first <= (before[-1][1].last or 0)):
            found.fault(
                number, f"event {number} seals rows of {seal.table} that an earlier one has sealed: it was edited"
            )
        else:
            before.append((number, seal))


def _verify_head_file(home: Home, connection: duckdb.DuckDBPyConnection, found: Verification) -> None:
    path = home.log_head
    try:
        written = read_head(path)
        behind = check_head(connection, written, path)
    except IntegrityError as error:
        what, _, repair = str(error).partition("; ")
        found.fault(None, what, repair)
        return
    if behind:
        found.notes.append(
            f"{path.name} is {behind} events behind, as after an interruption; the next change brings it up"
        )


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
