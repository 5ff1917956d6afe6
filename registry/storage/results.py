"""Results of queries as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from numpy.typing import NDArray

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


def columns_of(
    connection: duckdb.DuckDBPyConnection, columns: Sequence[str], rows: str, values: Sequence[Any] = ()
) -> list[NDArray[Any]]:
    """Columns of numbers without nulls as arrays. No more than these is in memory.

    ``rows``: a table, and perhaps a condition and an order.
    """
    import numpy as np

    count = number_of(connection, f"SELECT count(*) FROM (FROM {rows})", values)  # noqa: S608 - ours
    reader = connection.execute(f"SELECT {', '.join(columns)} FROM {rows}", list(values)).to_arrow_reader(_FETCHED)  # noqa: S608 - ours
    found = [np.empty(count, field.type.to_pandas_dtype()) for field in reader.schema]
    end = 0
    for batch in reader:
        for array, column in zip(found, batch.columns, strict=True):
            array[end : end + batch.num_rows] = column.to_numpy()
        end += batch.num_rows
    return found


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
