"""Rows as DuckDB stores them: in groups, which a query for some ids passes over or reads whole."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

from registry.storage.results import number_of

ROW_GROUP = 122_880
"""Rows that DuckDB stores together, and gives to one thread."""


def blocks_of_works(connection: duckdb.DuckDBPyConnection, rows: int | None) -> Iterator[tuple[int, int]]:
    """First and last id of blocks of so many works, so that memory does not grow with the registry.

    ``rows``: None: one block of all works. At least one block, without works if there are none.
    """
    last = max(0, number_of(connection, "SELECT coalesce(max(id), 0) FROM asset"))
    size = rows or last + 1
    for first in range(0, last + 1, size):
        yield first, min(last, first + size - 1)
