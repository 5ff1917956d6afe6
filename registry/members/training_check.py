"""What may be trained on, for lists of works and for models: reasons beside works, and works that a
model must not have.

page = works(connection, WorksFilter(permission="prohibited"), limit=50)
reasons_of(connection, [row["asset_id"] for row in page.rows])
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from registry.permissions.rule import STRICTNESS, explain
from registry.works.listings import WorksFilter

NOT_LEFT_OUT = 2**62
"""In place of a withdrawal's number, for works that no withdrawal covers."""


def permission_counts(connection: duckdb.DuckDBPyConnection, chosen: WorksFilter) -> dict[str, int]:
    """How many of the works that a filter chooses have each permission; every permission is
    there.
    """
    conditions = chosen.conditions(connection)
    rows = connection.execute(
        f"SELECT permission, count(*) FROM asset WHERE {conditions.sql} GROUP BY permission",  # noqa: S608 - built there
        conditions.values,
    ).fetchall()
    found = {str(permission): int(number) for permission, number in rows}
    return {str(permission): found.get(permission, 0) for permission in STRICTNESS}


def reasons_of(connection: duckdb.DuckDBPyConnection, asset_ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """By work, its grounds in the order of the rule, see
    :func:`registry.permissions.rule.explain`.
    """
    found: dict[int, list[dict[str, Any]]] = {int(number): [] for number in asset_ids}
    for row in explain(connection, asset_ids).to_pylist():
        found[row.pop("asset_id")].append(row)
    return found


def with_reasons(connection: duckdb.DuckDBPyConnection, works: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """Works in batches with one more column: the first ground that decided."""

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in works:
            ids = batch["asset_id"].to_pylist()
            found = reasons_of(connection, ids)
            reasons = [next((row["reason"] for row in found[number] if row["decides"]), None) for number in ids]
            yield batch.append_column("reason", pa.array(reasons, pa.string()))

    return pa.RecordBatchReader.from_batches(works.schema.append(pa.field("reason", pa.string())), batches())


_IN_ENCODING = """
    SELECT asset_id, unit_number, permission, code FROM unit_asset
    JOIN unit ON unit.encoding_id = unit_asset.encoding_id AND number = unit_number
    JOIN asset ON asset.id = asset_id
    WHERE unit_asset.encoding_id = ? AND list_contains(?, permission)
"""


def trained_against(
    connection: duckdb.DuckDBPyConnection,
    encoding_id: str,
    ensemble_id: str | None,
    permissions: Collection[str],
) -> pa.Table:
    """Works with one of these permissions that an encoding has, or that the members of an ensemble
    saw.

    Of an ensemble the newest generation of each member counts: works that it was trained without
    are not in it.

    Returns:
        asset_id, unit_number, permission and members (their indices, by the work's code), by asset
        id.
    """
    wanted = sorted(permissions)
    if ensemble_id is None:
        return connection.execute(
            f"SELECT asset_id, unit_number, permission, list_filter(range(64), lambda i: (code >> i) & 1 = 1) AS members "  # noqa: S608 - a constant
            f"FROM ({_IN_ENCODING}) ORDER BY asset_id",
            [encoding_id, wanted],
        ).to_arrow_table()
    return connection.execute(
        f"""
        WITH newest AS (
            SELECT index, coalesce((manifest ->> 'withdrawn_through')::BIGINT, -1) AS heeded FROM member
            WHERE ensemble_id = ? QUALIFY row_number() OVER (PARTITION BY index ORDER BY generation DESC) = 1
        ), found AS MATERIALIZED ({_IN_ENCODING}), covered AS (
            SELECT asset_id AS covered_id, min(withdrawal_id) AS first FROM withdrawal_work
            WHERE asset_id IN (SELECT asset_id FROM found) GROUP BY asset_id
        )
        SELECT asset_id, any_value(unit_number) AS unit_number, any_value(permission) AS permission,
            list_sort(list(index)) AS members
        FROM found LEFT JOIN covered ON covered_id = asset_id
        JOIN newest ON (code >> index) & 1 = 1 AND coalesce(first, {NOT_LEFT_OUT}) > heeded
        GROUP BY asset_id ORDER BY asset_id
        """,  # noqa: S608 - constants
        [ensemble_id, encoding_id, wanted],
    ).to_arrow_table()
