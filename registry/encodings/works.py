"""The works that an encoding takes in, their units and groups, and the works that it leaves out."""

from __future__ import annotations

from collections.abc import Collection

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.errors import NotFoundError, UsageError
from registry.permissions.rule import FORBIDDEN, Permission
from registry.storage.current_rights import ASSET_RIGHTS, attribute_names, column_expression
from registry.storage.results import number_of
from registry.storage.row_groups import ROW_GROUP, blocks_of_works

UNIT_KINDS = ("asset", "rightsholder", "column")

LAWFUL = frozenset(Permission) - frozenset(FORBIDDEN)
"""Permissions of the works that are encoded by default."""

METADATA_ONLY, MISSING, NO_UNIT = "metadata only", "missing", "no unit"
PROBE = "not trained on by choice"
"""Of a probe, see :mod:`registry.encodings.probes`."""
"""Reasons to leave works out, besides their permission."""


def taken_in(connection: duckdb.DuckDBPyConnection, asset_ids: NDArray[np.int64]) -> dict[str, int]:
    """Number of these works by current permission."""
    connection.register("encoded_works", pa.table({"encoded_id": asset_ids}))
    rows = connection.execute(
        "SELECT permission, count(*) FROM asset JOIN encoded_works ON id = encoded_id GROUP BY 1 ORDER BY 1"
    ).fetchall()
    connection.unregister("encoded_works")
    return {str(permission): int(number) for permission, number in rows}


def _unit_of(unit_kind: str, column: str | None) -> tuple[str, str, str]:
    """SQL for a unit's key and label, and for the order of the units."""
    if unit_kind not in UNIT_KINDS or (unit_kind == "column") != (column is not None):
        raise UsageError(
            f"got units of kind {unit_kind!r} with column {column!r}, expected one of {', '.join(UNIT_KINDS)}"
        )
    return {
        "asset": ("asset_id::VARCHAR", "coalesce(title, path)", "asset_id"),
        "rightsholder": ("rightsholder_id::VARCHAR", "rightsholder", "rightsholder"),
        "column": (column_expression(column or ""), column_expression(column or ""), column_expression(column or "")),
    }[unit_kind]


def unit_works(
    connection: duckdb.DuckDBPyConnection,
    unit_kind: str,
    column: str | None,
    permissions: Collection[Permission] = LAWFUL,
    within: str | None = None,
    probes: pa.Table | None = None,
) -> pa.Table:
    """Works with a unit of this kind: (asset_id, sha256, unit_number, key, label), by asset id.

    Works without a file cannot be trained on, so they have no unit. With ``within``, a rightsholder
    or the name of a column, also (group_number, group_key, group_label); null without a group. A
    work of several rightsholders is in the group of the one that its record names first.
    ``probes``, with the column asset_id, are left out.

    Raises:
        UsageError: no such unit kind.
        NotFoundError: no work has such a unit, or no work has a group.
    """
    key, label, order = _unit_of(unit_kind, column)
    group = "" if within is None else _GROUP.format(*_group_of(within))
    connection.register("probes", _NO_WORKS if probes is None else probes)
    number = "0" if unit_kind == "asset" else f"dense_rank() OVER (ORDER BY {order}) - 1"
    # The fragments are chosen above; the columns' names enter as escaped literals.
    query = (
        f"SELECT asset_id, sha256, {number} AS unit_number, {key} AS key, {label} AS label{group} "  # noqa: S608
        f"FROM ({ASSET_RIGHTS}) ANTI JOIN probes USING (asset_id) WHERE asset_id BETWEEN ? AND ? AND {_USABLE} "
        f"AND list_contains(?, permission) AND {key} IS NOT NULL AND {key} <> '' ORDER BY asset_id"
    )
    listed = [str(permission) for permission in permissions]
    # Numbers of other units, and of groups, are ranks among all works.
    block = _BLOCK if unit_kind == "asset" and within is None else None
    parts = [
        connection.execute(query, [first, last, listed]).to_arrow_table()
        for first, last in blocks_of_works(connection, block)
    ]
    connection.unregister("probes")
    works = pa.concat_tables(parts)
    if unit_kind == "asset":
        place = works.schema.get_field_index("unit_number")
        works = works.set_column(place, "unit_number", pa.array(np.arange(works.num_rows)))
    if not works.num_rows:
        _refuse_if_all_forbidden(connection, permissions)
        known = ", ".join(attribute_names(connection)) or "none"
        reasons = {
            "asset": "no works are registered; run `creditline register FOLDER` first",
            "rightsholder": "no registered work has a rightsholder; register works with `--owners FILE` first",
            "column": f"no registered work has a value in the column {column!r}; columns: {known}",
        }
        raise NotFoundError(reasons[unit_kind])
    if within is not None and works["group_label"].null_count == works.num_rows:
        # An owner table's own column of this name is an attribute, too.
        known = ", ".join(dict.fromkeys(["rightsholder", *attribute_names(connection)]))
        raise NotFoundError(f"no registered work has a {within!r} for its codes to nest within; there are {known}")
    return works


def unit_count(
    connection: duckdb.DuckDBPyConnection,
    unit_kind: str,
    column: str | None,
    permissions: Collection[Permission] = LAWFUL,
) -> int:
    """The number of units that :func:`unit_works` gives, without their texts.

    Raises:
        UsageError: no such unit kind.
    """
    key, _, _ = _unit_of(unit_kind, column)
    counted = "count(*)" if unit_kind == "asset" else f"count(DISTINCT {key})"
    return number_of(
        connection,
        f"SELECT {counted} FROM ({ASSET_RIGHTS}) WHERE {_USABLE} AND list_contains(?, permission) "  # noqa: S608 - chosen above
        f"AND {key} IS NOT NULL AND {key} <> ''",
        [[str(permission) for permission in permissions]],
    )


def group_sizes(
    connection: duckdb.DuckDBPyConnection, within: str, permissions: Collection[Permission] = LAWFUL
) -> tuple[NDArray[np.int64], int]:
    """The works of each group of ``unit_works(..., within=within)``, and those without a group."""
    _, label = _group_of(within)
    counted = connection.execute(
        f"SELECT {label} AS group_label, count(*) AS works FROM ({ASSET_RIGHTS}) "  # noqa: S608 - chosen above
        f"WHERE {_USABLE} AND list_contains(?, permission) GROUP BY group_label",
        [[str(permission) for permission in permissions]],
    ).to_arrow_table()
    grouped = np.asarray(counted["group_label"].is_valid().to_numpy())
    works = counted["works"].to_numpy()
    return works[grouped], int(works[~grouped].sum())


_BLOCK = 4 * ROW_GROUP
"""Works that are read together, so that only the result grows with the works."""
_NO_WORKS = pa.table({"asset_id": pa.array([], pa.int64())})
_GROUP = (
    ", CASE WHEN {1} IS NULL THEN NULL ELSE dense_rank() OVER (PARTITION BY {1} IS NULL ORDER BY {1}) - 1 END "
    "AS group_number, CASE WHEN {1} IS NULL THEN NULL ELSE {0} END AS group_key, {1} AS group_label"
)


def _group_of(within: str) -> tuple[str, str]:
    """SQL for a group's key and label; the label is null without a group."""
    if within == "rightsholder":
        return "rightsholder_id::VARCHAR", "nullif(rightsholder, '')"
    column = column_expression(within)
    return column, f"nullif({column}, '')"


def several_works_of_one(connection: duckdb.DuckDBPyConnection, permissions: Collection[Permission] = LAWFUL) -> bool:
    """Whether some rightsholder has several works that may be encoded."""
    found = connection.execute(
        f"SELECT 1 FROM ({ASSET_RIGHTS}) WHERE {_USABLE} AND list_contains(?, permission) "  # noqa: S608 - constants
        "AND rightsholder IS NOT NULL AND rightsholder <> '' GROUP BY rightsholder HAVING count(*) > 1 LIMIT 1",
        [[str(permission) for permission in permissions]],
    ).fetchone()
    return found is not None


_USABLE = "missing_since IS NULL AND byte_size IS NOT NULL"


def _refuse_if_all_forbidden(connection: duckdb.DuckDBPyConnection, permissions: Collection[Permission]) -> None:
    counts = connection.execute(
        f"SELECT permission, count(*) FROM asset WHERE {_USABLE} GROUP BY 1 ORDER BY 1"  # noqa: S608 - a constant
    ).fetchall()
    if counts and not any(permission in permissions for permission, _ in counts):
        found = ", ".join(f"{number:,} {permission}" for permission, number in counts)
        raise NotFoundError(
            f"no registered work may be encoded: {found}; `creditline rights` says why, `creditline review` records decisions"
        )


def left_out(
    connection: duckdb.DuckDBPyConnection,
    works: pa.Table,
    permissions: Collection[Permission] = LAWFUL,
    probes: pa.Table | None = None,
) -> dict[str, int]:
    """Number of works outside ``works`` (column asset_id), by the first applicable reason.

    ``probes``: the works, column asset_id, that are kept out by choice.
    """
    connection.register("encoded", works.select(["asset_id"]))
    connection.register("probes", _NO_WORKS if probes is None else probes)
    rows = connection.execute(
        "SELECT CASE WHEN byte_size IS NULL THEN ? WHEN missing_since IS NOT NULL THEN ? "
        "WHEN NOT list_contains(?, permission) THEN permission "
        "WHEN id IN (SELECT asset_id FROM probes) THEN ? ELSE ? END AS reason, count(*) "
        "FROM asset ANTI JOIN encoded ON asset_id = id GROUP BY 1 ORDER BY 1",
        [METADATA_ONLY, MISSING, [str(permission) for permission in permissions], PROBE, NO_UNIT],
    ).fetchall()
    connection.unregister("probes")
    return {str(why): int(number) for why, number in rows}
