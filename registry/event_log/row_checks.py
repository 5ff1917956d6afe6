"""Compares the tables with their seals: finds edited, removed and unsealed rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

import duckdb

from registry.event_log.computed_parts import compared, parts_of_key, parts_of_ranges, ranges_of
from registry.event_log.findings import Progress, SealedRows, Verification
from registry.event_log.parts import difference, kept_parts, place_of, sha256_of_parts
from registry.event_log.seals import KEYED_TABLES, NUMBERED_TABLES, Seal, digest_of_key, digests_of_ranges
from registry.storage.results import number_of


class _Meter:
    """Counts rows for the progress."""

    def __init__(self, total: int, on_progress: Progress) -> None:
        self.total, self.done, self.tell = total, 0, on_progress

    def __call__(self, rows: int) -> None:
        self.done += rows
        self.tell(self.done, max(self.total, self.done))


def verify_rows(
    connection: duckdb.DuckDBPyConnection, found: Verification, sealed: SealedRows, on_progress: Progress
) -> None:
    """Compare every table with its seals; each difference becomes a fault of ``found``."""
    tables = (*NUMBERED_TABLES, *KEYED_TABLES)
    counts = {table: number_of(connection, f"SELECT count(*) FROM {table}") for table in tables}  # noqa: S608 - our tables
    meter = _Meter(sum(counts.values()), on_progress)
    for table in NUMBERED_TABLES:
        _verify_numbered(connection, found, table, sealed.ranges[table], counts[table], meter)
    for table in KEYED_TABLES:
        _verify_keyed(connection, found, table, sealed.keys[table], meter)


def _verify_numbered(
    connection: duckdb.DuckDBPyConnection,
    found: Verification,
    table: str,
    seals: list[tuple[int, Seal]],
    count: int,
    meter: _Meter,
) -> None:
    ranges = [(seal.first or 0, seal.last or 0) for _, seal in seals]
    covered = 0
    first_values = found.history.first_values(connection, table)
    for event, seal, rows, fits in _now(connection, table, seals, first_values, meter):
        covered += rows
        if not fits:
            change = f"{seal.rows:,} rows then, {rows:,} now" if rows != seal.rows else "the values differ"
            found.fault(
                event,
                f"rows {seal.first:,} to {seal.last:,} of {table} are not as event {event} sealed them: {change}"
                f"{_which(connection, event, table, None, first_values)}",
            )
    found.rows += covered
    # Before the first seal, between two and after the last there must never have been rows.
    ends = [-1, *(last for _, last in ranges)]
    for (event, seal), end in zip(seals, ends, strict=False):
        if seal.first != end + 1:
            found.fault(
                event,
                f"{table} had rows {end + 1:,} to {(seal.first or 0) - 1:,} before event {event}, which no event added",
            )
    if covered != count:
        kept = " OR ".join(f"id BETWEEN {first} AND {last}" for first, last in _joined(ranges)) or "false"
        unsealed = connection.execute(
            f"SELECT id FROM {table} WHERE NOT coalesce({kept}, false) ORDER BY id LIMIT 4"  # noqa: S608 - numbers
        ).fetchall()
        ids = ", ".join(str(number) for (number,) in unsealed[:3]) + (", …" if len(unsealed) > 3 else "")
        found.fault(
            None,
            f"{count - covered:,} rows of {table} were added without an event (ids {ids})",
            f"remove these rows of {table} with DuckDB, or restore the registry from a copy",
        )


def _now(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    seals: list[tuple[int, Seal]],
    first_values: Mapping[int, str | None],
    meter: _Meter,
) -> Iterator[tuple[int, Seal, int, bool]]:
    """Each seal with its event, the number of its rows now, and whether they are as sealed."""
    whole = [(event, seal) for event, seal in seals if seal.parts is None]
    ranges = [(seal.first or 0, seal.last or 0) for _, seal in whole]
    for (event, seal), now in zip(
        whole, digests_of_ranges(connection, table, ranges, first_values, meter), strict=True
    ):
        yield event, seal, now.rows, (now.rows, now.sha256) == (seal.rows, seal.sha256)
    divided = [
        (event, seal, ranges_of(seal.first or 0, seal.last or 0)) for event, seal in seals if seal.parts is not None
    ]
    parts = parts_of_ranges(connection, table, [each for _, _, listed in divided for each in listed], first_values)
    for event, seal, listed in divided:
        of_seal = list(islice(parts, len(listed)))
        count = sum(part.rows for part in of_seal)
        meter(count)
        yield event, seal, count, sha256_of_parts(of_seal) == seal.sha256


def _which(
    connection: duckdb.DuckDBPyConnection,
    event: int,
    table: str,
    key: str | None,
    first_values: Mapping[int, str | None],
) -> str:
    """The first altered rows of a seal, in brackets, as far as its parts say."""
    kept = kept_parts(connection, [event], [table], None if key is None else [key])
    told = [
        f"{place_of(part)}: {differs}"
        for part, now in compared(connection, kept, {table: first_values})
        if (differs := difference(part, now))
    ]
    return f" ({'; '.join(told[:3])}{', …' if len(told) > 3 else ''})" if told else ""


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for first, last in ranges:
        if joined and joined[-1][1] + 1 == first:
            joined[-1] = joined[-1][0], last
        else:
            joined.append((first, last))
    return joined


def _verify_keyed(
    connection: duckdb.DuckDBPyConnection,
    found: Verification,
    table: str,
    seals: Mapping[str, tuple[int, Seal]],
    meter: _Meter,
) -> None:
    column, _ = KEYED_TABLES[table]
    present = {str(key) for (key,) in connection.execute(f"SELECT DISTINCT {column} FROM {table}").fetchall()}  # noqa: S608 - our tables
    for key in sorted(present - seals.keys()):
        rows = number_of(connection, f"SELECT count(*) FROM {table} WHERE {column} = ?", [key])  # noqa: S608 - our tables
        found.fault(
            None,
            f"{rows:,} rows of {table} for {column} {key} were added without an event",
            f"remove these rows of {table} with DuckDB, or restore the registry from a copy",
        )
    for key, (event, seal) in seals.items():
        rows, fits = _key_now(connection, table, key, seal)
        meter(rows)
        found.rows += rows
        if not fits:
            change = f"{seal.rows:,} rows then, {rows:,} now" if rows != seal.rows else "the values differ"
            found.fault(
                event,
                f"rows of {table} for {column} {key} are not as event {event} sealed them: {change}"
                f"{_which(connection, event, table, key, {})}",
            )


def _key_now(connection: duckdb.DuckDBPyConnection, table: str, key: str, seal: Seal) -> tuple[int, bool]:
    """The number of rows of a key now, and whether they are as sealed."""
    if seal.parts is None:
        now = digest_of_key(connection, table, key)
        return now.rows, now.rows == seal.rows and (not now.rows or now.sha256 == seal.sha256)
    parts = parts_of_key(connection, table, key)
    return sum(part.rows for part in parts), sha256_of_parts(parts) == seal.sha256
