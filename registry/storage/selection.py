"""Selects the works of a query, as a relation of the connection: by id, or all works."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb
import numpy as np
from numpy.typing import NDArray

WRITTEN_OUT = 10_000
"""Ids that stand in the query itself: a page of a listing then needs no Arrow, a slow import."""


@contextmanager
def selected_works(
    connection: duckdb.DuckDBPyConnection, asset_ids: Sequence[int] | NDArray[np.int64] | None
) -> Iterator[None]:
    """Provide the relation ``selected_works`` (column ``selected_id``): these works; None: all."""
    if asset_ids is None:
        with selected_by(connection, "SELECT id FROM asset"):
            yield
        return
    distinct = np.unique(np.asarray(asset_ids, np.int64))
    if len(distinct) <= WRITTEN_OUT:
        with selected_by(connection, f"SELECT unnest({distinct.tolist()}::BIGINT[])"):
            yield
        return
    if distinct[-1] - distinct[0] < len(distinct):
        with selected_by(connection, f"FROM range({distinct[0]}, {distinct[-1] + 1})"):
            yield
        return
    import pyarrow as pa

    # It stays in memory until the transaction ends.
    connection.register("selected_rows", pa.table({"selected_id": distinct}))
    try:
        with selected_by(connection, "SELECT selected_id FROM selected_rows"):
            yield
    finally:
        connection.unregister("selected_rows")


@contextmanager
def selected_by(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[None]:
    """Provide ``selected_works``: the works of a SELECT of distinct ids."""
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW selected_works AS SELECT selected_id FROM ({query}) AS _(selected_id)"  # noqa: S608 - ours
    )
    try:
        yield
    finally:
        connection.execute("DROP VIEW IF EXISTS temp.selected_works")
