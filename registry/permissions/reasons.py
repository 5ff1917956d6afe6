"""The reason of a permission, in words: the grounds that decide it.

Listings, tables and documents take the words from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from registry.permissions.rule import EXPLAINED, explain
from registry.storage.selection import selected_works

if TYPE_CHECKING:
    import pyarrow as pa

# Few works have several grounds that decide: only theirs are sorted.
REASONS = f"""
    WITH decided AS MATERIALIZED (
        SELECT asset_id, step, kind, source_id, reason FROM ({EXPLAINED}) WHERE decides
    ), counted AS MATERIALIZED (
        SELECT asset_id, any_value(reason) AS reason, count(*) AS grounds FROM decided GROUP BY asset_id
    )
    SELECT asset_id, coalesce(joined.reason, counted.reason) AS reason FROM counted LEFT JOIN (
        SELECT asset_id, string_agg(reason, '; ' ORDER BY step, kind, source_id, reason) AS reason
        FROM decided WHERE asset_id IN (SELECT asset_id FROM counted WHERE grounds > 1) GROUP BY asset_id
    ) AS joined USING (asset_id)
"""  # noqa: S608 - constants
"""SELECT of the reason of every work of ``selected_works``: all grounds that decide, joined."""


def all_grounds(connection: duckdb.DuckDBPyConnection, asset_ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """The grounds of each work in order (:func:`registry.permissions.rule.explain`)."""
    found: dict[int, list[dict[str, Any]]] = {int(number): [] for number in asset_ids}
    for row in explain(connection, asset_ids).to_pylist():
        found[row.pop("asset_id")].append(row)
    return found


def reasons_of(connection: duckdb.DuckDBPyConnection, asset_ids: Sequence[int] | NDArray[np.int64]) -> dict[int, str]:
    """By work, the reason of its permission; no permission is without one."""
    with selected_works(connection, asset_ids):
        return dict(connection.execute(f"SELECT asset_id, reason FROM ({REASONS})").fetchall())  # noqa: S608 - a constant


def with_reasons(connection: duckdb.DuckDBPyConnection, works: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """Works in batches with one more column, ``reason``: see :func:`reasons_of`."""
    import pyarrow as pa

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in works:
            yield batch.append_column("reason", reason_column(connection, batch["asset_id"]))

    return pa.RecordBatchReader.from_batches(works.schema.append(pa.field("reason", pa.string())), batches())


def reason_column(connection: duckdb.DuckDBPyConnection, asset_ids: pa.Array) -> pa.Array:
    """The reasons of these works, in their order."""
    import pyarrow as pa

    ids = asset_ids.to_numpy()
    with selected_works(connection, ids):
        found = connection.execute(f"SELECT asset_id, reason FROM ({REASONS}) ORDER BY asset_id").to_arrow_table()  # noqa: S608 - a constant
    places = np.searchsorted(found["asset_id"].to_numpy(), ids)
    return found["reason"].combine_chunks().cast(pa.string()).take(pa.array(places))
