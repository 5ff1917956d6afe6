"""Results of queries as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb


def records(result: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """The rows of a result by column name."""
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def number_of(connection: duckdb.DuckDBPyConnection, query: str, values: Sequence[Any] = ()) -> int:
    """The whole number that a query of one row and column returns."""
    return int(connection.execute(query, list(values)).fetchall()[0][0])
