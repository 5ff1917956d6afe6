"""Results of queries as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb

_SPARSE = 8
"""Bytes per row that :func:`distinct_numbers` ticks off in, at most."""
_FETCHED = 65_536


def records(result: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """The rows of a result by column name."""
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def number_of(connection: duckdb.DuckDBPyConnection, query: str, values: Sequence[Any] = ()) -> int:
    """The whole number that a query of one row and column returns."""
    return int(connection.execute(query, list(values)).fetchall()[0][0])


def distinct_numbers(
    connection: duckdb.DuckDBPyConnection, column: str, rows: str, values: Sequence[Any] = ()
) -> tuple[int, int, int | None, int | None]:
    """The rows, the different numbers of a column, its smallest and its largest one.

    ``rows``: a table, and perhaps a condition. Numbers that lie close together, as those of rows
    do, are ticked off in a byte each: DuckDB's own count keeps all of them.
    """
    count, first, last = connection.execute(
        f"SELECT count(*), min({column}), max({column}) FROM {rows}",  # noqa: S608 - ours
        list(values),
    ).fetchall()[0]
    if first is None or last - first > _SPARSE * count:
        distinct = number_of(connection, f"SELECT count(DISTINCT {column}) FROM {rows}", values)  # noqa: S608 - ours
        return count, distinct, first, last
    import numpy as np

    seen = np.zeros(last - first + 1, np.bool_)
    for batch in connection.execute(f"SELECT {column} FROM {rows}", list(values)).to_arrow_reader(_FETCHED):  # noqa: S608 - ours
        seen[batch.column(0).drop_null().to_numpy() - first] = True
    return count, int(np.count_nonzero(seen)), first, last
