"""Rows as DuckDB stores them: in groups, which a query for some ids passes over or reads whole."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

from registry.storage.results import number_of

ROW_GROUP = 122_880
"""Rows that DuckDB stores together, and gives to one thread."""
BLOCK = 4 * ROW_GROUP
"""Works, or units, that are read and written together, so that memory does not grow with them."""


def blocks_of_works(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[int, int]]:
    """First and last id of each block of works; one block without works if there are none."""
    last = max(0, number_of(connection, "SELECT coalesce(max(id), 0) FROM asset"))
    for first in range(0, last + 1, BLOCK):
        yield first, min(last, first + BLOCK - 1)
