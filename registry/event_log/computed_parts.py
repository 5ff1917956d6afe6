"""Makes parts of rows: of those about to be added, and of those in the tables now.

    parts = parts_of_range(connection, "asset_rights", 0, 99_999)
    sealed = sha256_of_parts(parts)                # in the event's seal
    for part, now in compared(connection, parts):  # later: which parts are not as they were

Rows are read in passes over ranges that are near each other, a batch at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from registry.event_log.parts import NUMBERS_OF_KEY, SUBJECTS, Kept, Part
from registry.event_log.seals import KEYED_TABLES, as_added, rows_in_order, schema_of, select_sealed, with_constants
from registry.storage.row_hash import RowHash

LARGEST = 2048
"""Rows of a part at most: as many as DuckDB reads together."""
MOST_OF_SMALL = 64
"""Changes with at most so many rows in a table have a part per row, larger ones as many parts."""
_NEAR = 4 * LARGEST
"""Rows between two parts that are rather read than skipped by another query."""
_FEW = 64 * LARGEST
"""Rows that are sorted without a look at their order."""


def size_of(rows: int) -> int:
    """Rows per part of a seal over so many rows (or numbers within a key)."""
    size = 1
    while size < LARGEST and size * MOST_OF_SMALL < rows:
        size *= 2
    return size


def parts_of_rows(schema: pa.Schema, table: str, rows: pa.Table, constants: Mapping[str, Any]) -> list[Part]:
    """The parts of rows about to be added, by id, equal to :func:`parts_of_range` afterwards.

    Args:
        schema: of the table's sealed columns, see :func:`registry.event_log.seals.schema_of`.
        table: a numbered table.
        rows: columns of the new rows; a column that is neither here nor constant is null.
        constants: columns with one value for all rows.
    """
    parts = []
    size = size_of(rows.num_rows)
    for start in range(0, rows.num_rows, size):
        group = _Group(schema, SUBJECTS[table])
        for batch in rows.slice(start, size).to_batches():
            group.update(with_constants(schema, batch, constants))
        first = int(rows.column("id")[start].as_py())
        parts.append(group.part(table, None, first, first + min(size, rows.num_rows - start) - 1))
    return parts


def ranges_of(first: int, last: int) -> list[tuple[int, int]]:
    """The ranges of the parts of a range of ids, or of numbers within a key."""
    size = size_of(last - first + 1)
    return [(start, min(last, start + size - 1)) for start in range(first, last + 1, size)]


def parts_of_ranges(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    ranges: Sequence[tuple[int, int]],
    first_values: Mapping[int, str | None],
) -> Iterator[Part]:
    """The parts of ascending ranges of ids, in one pass over rows that are near each other.

    Do not use the connection for anything else while they are read.
    """
    for near in _near(ranges):
        condition, values = "id BETWEEN ? AND ?", [near[0][0], near[-1][1]]
        few = near[-1][1] - near[0][0] < _FEW
        batches = (
            as_added(batch, table, first_values)
            for batch in rows_in_order(connection, table, condition, values, ("id",), few=few)
        )
        yield from _cut(connection, table, None, "id", SUBJECTS[table], batches, near)


def parts_of_range(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    first: int,
    last: int,
    first_values: Mapping[int, str | None] | None = None,
) -> list[Part]:
    """The parts of a range of ids of a numbered table."""
    return list(parts_of_ranges(connection, table, ranges_of(first, last), first_values or {}))


def parts_of_key(connection: duckdb.DuckDBPyConnection, table: str, key: str) -> list[Part]:
    """The parts of all rows of a key of a keyed table."""
    column = KEYED_TABLES[table][0]
    number = NUMBERS_OF_KEY.get(table)
    if number is None:
        return [part for _, part in _of_keys(connection, table, [key])]
    row = connection.execute(f"SELECT min({number}), max({number}) FROM {table} WHERE {column} = ?", [key]).fetchone()  # noqa: S608 - our tables
    if row is None or row[0] is None:
        return []
    ranges = ranges_of(int(row[0]), int(row[1]))
    return [part for part in _of_numbers(connection, table, key, ranges) if part.rows]


def compared(
    connection: duckdb.DuckDBPyConnection,
    parts: Sequence[Kept],
    first_values: Mapping[str, Mapping[int, str | None]],
) -> Iterator[tuple[Kept, Part]]:
    """Every kept part, and what the rows of the same place are now.

    ``first_values``: by table, the first values of moved rows, as :func:`as_added` takes them.
    """
    for table, group in groupby(sorted(parts, key=lambda part: part.table), key=lambda part: part.table):
        of_table = list(group)
        if table not in KEYED_TABLES:
            of_table.sort(key=lambda part: part.first or 0)
            ranges = [(part.first or 0, part.last or 0) for part in of_table]
            yield from zip(
                of_table, parts_of_ranges(connection, table, ranges, first_values.get(table, {})), strict=True
            )
        elif table in NUMBERS_OF_KEY:
            of_table.sort(key=lambda part: (part.key or "", part.first or 0))
            for key, of_key in groupby(of_table, key=lambda part: part.key or ""):
                listed = list(of_key)
                ranges = [(part.first or 0, part.last or 0) for part in listed]
                yield from zip(listed, _of_numbers(connection, table, key, ranges), strict=True)
        else:
            now = dict(_of_keys(connection, table, sorted({part.key or "" for part in of_table})))
            schema = schema_of(connection, table)
            for part in of_table:
                yield part, now.get(part.key or "") or _Group(schema, None).part(table, part.key, None, None)


class _Group:
    """The rows of a part while they are read."""

    def __init__(self, schema: pa.Schema, subject: str | None) -> None:
        self._rows = RowHash(schema)
        self._subject = subject
        self._ends: list[int] = []

    def update(self, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        self._rows.update(batch)
        if self._subject is not None:
            ends = pc.min_max(batch.column(self._subject))
            self._ends += [int(end.as_py()) for end in (ends["min"], ends["max"]) if end.is_valid]

    def part(self, table: str, key: str | None, first: int | None, last: int | None) -> Part:
        lowest, highest = (min(self._ends), max(self._ends)) if self._ends else (None, None)
        return Part(table, key, first, last, lowest, highest, self._rows.rows, self._rows.by_column())


def _of_numbers(
    connection: duckdb.DuckDBPyConnection, table: str, key: str, ranges: Sequence[tuple[int, int]]
) -> Iterator[Part]:
    """The parts of ascending ranges of numbers within a key."""
    column, order = KEYED_TABLES[table]
    number = NUMBERS_OF_KEY[table]
    for near in _near(ranges):
        condition, values = f"{column} = ? AND {number} BETWEEN ? AND ?", [key, near[0][0], near[-1][1]]
        few = near[-1][1] - near[0][0] < _FEW
        batches = rows_in_order(connection, table, condition, values, order, few=few)
        yield from _cut(connection, table, key, number, None, batches, near)


def _near(ranges: Sequence[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Runs of ranges that one query reads."""
    run: list[tuple[int, int]] = []
    for first, last in ranges:
        if run and first - run[-1][1] > _NEAR:
            yield run
            run = []
        run.append((first, last))
    if run:
        yield run


def _cut(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    key: str | None,
    number: str,
    subject: str | None,
    batches: Iterator[pa.RecordBatch],
    ranges: Sequence[tuple[int, int]],
) -> Iterator[Part]:
    schema: pa.Schema | None = None
    waiting = iter(ranges)
    first, last = next(waiting)
    group: _Group | None = None
    for batch in batches:
        schema = batch.schema
        numbers = batch.column(number).to_numpy()
        group = group or _Group(schema, subject)
        start = 0
        while start < len(numbers):
            while numbers[start] > last:
                yield group.part(table, key, first, last)
                group = _Group(schema, subject)
                first, last = next(waiting)
            start = max(start, int(np.searchsorted(numbers, first)))
            end = int(np.searchsorted(numbers, last, side="right"))
            group.update(batch.slice(start, end - start))
            start = end
    schema = schema or schema_of(connection, table)
    yield (group or _Group(schema, subject)).part(table, key, first, last)
    for first, last in waiting:
        yield _Group(schema, subject).part(table, key, first, last)


def _of_keys(connection: duckdb.DuckDBPyConnection, table: str, keys: Sequence[str]) -> Iterator[tuple[str, Part]]:
    """The part of each key of a table with one row per key, by key; keys without rows have none."""
    column = KEYED_TABLES[table][0]
    rows = connection.execute(
        f"{select_sealed(table)} WHERE list_contains(?, {column}) ORDER BY {column}", [list(keys)]
    ).to_arrow_table()
    batch_keys = rows.column(column).to_pylist()
    start = 0
    for key, run in groupby(batch_keys):
        length = sum(1 for _ in run)
        group = _Group(rows.schema, None)
        for batch in rows.slice(start, length).to_batches():
            group.update(batch)
        yield str(key), group.part(table, str(key), None, None)
        start += length
