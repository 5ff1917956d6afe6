"""May works be trained on: permissions in numbers, and works that a model must not have."""

from __future__ import annotations

from collections.abc import Collection

import duckdb
import pyarrow as pa

from registry.members.seen import encoded_among
from registry.permissions.rule import STRICTNESS
from registry.schema.views import SAW
from registry.works.listings import WorksFilter


def permission_counts(connection: duckdb.DuckDBPyConnection, chosen: WorksFilter) -> dict[str, int]:
    """The number of works that a filter chooses, by permission; every permission is there."""
    conditions = chosen.conditions(connection)
    rows = connection.execute(
        f"SELECT permission, count(*) FROM asset WHERE {conditions.sql} GROUP BY permission",  # noqa: S608 - built there
        conditions.values,
    ).fetchall()
    found = {str(permission): int(number) for permission, number in rows}
    return {str(permission): found.get(permission, 0) for permission in STRICTNESS}


def trained_against(
    connection: duckdb.DuckDBPyConnection,
    encoding_id: str,
    ensemble_id: str | None,
    permissions: Collection[str],
) -> pa.Table:
    """Works with these permissions in an encoding, or seen by an ensemble's newest members.

    Returns:
        asset_id, unit_number, permission and members (their indices: by the work's code if
        ``ensemble_id`` is None, else those that saw the work), by asset id.
    """
    # The few forbidden works first: only these are held against every member.
    found = f"""
        WITH forbidden AS MATERIALIZED (SELECT id, permission FROM asset WHERE list_contains($permissions, permission)),
        found AS MATERIALIZED (
            SELECT encoded.*, permission FROM ({encoded_among("SELECT id FROM forbidden")}) AS encoded
            JOIN forbidden ON id = asset_id
        )
    """  # noqa: S608 - constants
    by_code = (
        "SELECT asset_id, unit_number, permission, [i FOR i IN range(64) IF (code >> i) & 1 = 1] AS members FROM found"
    )
    seen = f"""
        SELECT asset_id, unit_number, permission, list_sort(list(member_index)) AS members
        FROM found JOIN trained_member ON ensemble_id = $ensemble AND newest AND {SAW} GROUP BY ALL
    """  # noqa: S608 - a constant
    values = {"encoding": encoding_id, "permissions": sorted(permissions)}
    return connection.execute(
        f"{found} {by_code if ensemble_id is None else seen} ORDER BY asset_id",
        values if ensemble_id is None else {**values, "ensemble": ensemble_id},
    ).to_arrow_table()
