"""The works that an encoding may take in: which, how many units and groups they have, and why
others are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.errors import NotFoundError, UsageError
from registry.permissions.rule import FORBIDDEN, Permission
from registry.storage.current_rights import ASSET_RIGHTS, column_expression
from registry.storage.results import number_of
from registry.storage.row_groups import blocks_of_works

UNIT_KINDS = ("asset", "rightsholder", "column")

LAWFUL = frozenset(Permission) - frozenset(FORBIDDEN)
"""Permissions of the works that are encoded by default."""

METADATA_ONLY, MISSING, NO_UNIT = "metadata only", "missing", "no unit"
PROBE = "not trained on by choice"
"""Of a probe, see :mod:`registry.encodings.probes`."""
"""Reasons to leave works out, besides their permission."""

USABLE = "missing_since IS NULL AND byte_size IS NOT NULL"
"""SQL: whether a work can be trained on at all."""
OWNED = """
    SELECT asset.id AS asset_id, permission, missing_since, byte_size,
        rightsholder.id AS rightsholder_id, rightsholder.name AS rightsholder
    FROM asset LEFT JOIN rightsholder ON rightsholder.id = rightsholder_id
"""
"""The columns of ``ASSET_RIGHTS`` that need no declarations."""


def unit_of(unit_kind: str, column: str | None) -> tuple[str, str]:
    """SQL for a unit's key and label. Units are in the order of their labels, or are works by id.

    Raises:
        UsageError: no such unit kind.
    """
    if unit_kind not in UNIT_KINDS or (unit_kind == "column") != (column is not None):
        raise UsageError(
            f"got units of kind {unit_kind!r} with column {column!r}, expected one of {', '.join(UNIT_KINDS)}"
        )
    return {
        "asset": ("asset_id::VARCHAR", "coalesce(title, path)"),
        "rightsholder": ("rightsholder_id::VARCHAR", "rightsholder"),
        "column": (column_expression(column or ""), column_expression(column or "")),
    }[unit_kind]


def group_of(within: str) -> tuple[str, str]:
    """SQL for a group's key and label; the label is null without a group."""
    if within == "rightsholder":
        return "rightsholder_id::VARCHAR", "nullif(rightsholder, '')"
    column = column_expression(within)
    return column, f"nullif({column}, '')"


def source_of(unit_kind: str, within: str | None = None) -> str:
    """SELECT of works with the columns that their units and groups are made of."""
    return ASSET_RIGHTS if unit_kind == "column" or within not in (None, "rightsholder") else OWNED


def unit_count(
    connection: duckdb.DuckDBPyConnection,
    unit_kind: str,
    column: str | None,
    permissions: Collection[Permission] = LAWFUL,
) -> int:
    """The number of units that these works have.

    Raises:
        UsageError: no such unit kind.
    """
    key, _ = unit_of(unit_kind, column)
    if unit_kind == "asset":
        counted, works, stated = "count(*)", "asset", "true"
    else:
        counted, works, stated = f"count(DISTINCT {key})", f"({source_of(unit_kind)})", f"{key} <> ''"
    return number_of(
        connection,
        f"SELECT {counted} FROM {works} WHERE {USABLE} AND list_contains(?, permission) AND {stated}",  # noqa: S608 - chosen above
        [[str(permission) for permission in permissions]],
    )


def group_sizes(
    connection: duckdb.DuckDBPyConnection, within: str, permissions: Collection[Permission] = LAWFUL
) -> tuple[NDArray[np.int64], int]:
    """The works of each group within which codes nest, and those without a group."""
    _, label = group_of(within)
    counted = connection.execute(
        f"SELECT {label} AS group_label, count(*) AS works FROM ({source_of('asset', within)}) "  # noqa: S608 - chosen above
        f"WHERE {USABLE} AND list_contains(?, permission) GROUP BY group_label",
        [[str(permission) for permission in permissions]],
    ).to_arrow_table()
    grouped = np.asarray(counted["group_label"].is_valid().to_numpy())
    works = counted["works"].to_numpy()
    return works[grouped], int(works[~grouped].sum())


def several_works_of_one(connection: duckdb.DuckDBPyConnection, permissions: Collection[Permission] = LAWFUL) -> bool:
    """Whether some rightsholder has several works that may be encoded."""
    found = connection.execute(
        f"SELECT 1 FROM ({OWNED}) WHERE {USABLE} AND list_contains(?, permission) "  # noqa: S608 - constants
        "AND rightsholder IS NOT NULL AND rightsholder <> '' GROUP BY rightsholder HAVING count(*) > 1 LIMIT 1",
        [[str(permission) for permission in permissions]],
    ).fetchone()
    return found is not None


def refuse_if_all_forbidden(connection: duckdb.DuckDBPyConnection, permissions: Collection[Permission]) -> None:
    """Say which permissions the works have, if none has one of these.

    Raises:
        NotFoundError: there are works, and none has.
    """
    counts = connection.execute(
        f"SELECT permission, count(*) FROM asset WHERE {USABLE} GROUP BY 1 ORDER BY 1"  # noqa: S608 - a constant
    ).fetchall()
    if counts and not any(permission in permissions for permission, _ in counts):
        found = ", ".join(f"{number:,} {permission}" for permission, number in counts)
        raise NotFoundError(
            f"no registered work may be encoded: {found}; `creditline rights` says why, `creditline review` records decisions"
        )


def taken_in(connection: duckdb.DuckDBPyConnection, encoding_id: str) -> dict[str, int]:
    """Number of an encoding's works by current permission."""
    query = (
        "SELECT permission, count(*) FROM (SELECT id, permission FROM asset WHERE id BETWEEN $first AND $last) "  # noqa: S608 - a constant
        f"SEMI JOIN ({_ENCODED}) AS encoded ON asset_id = id GROUP BY 1"
    )
    return _counted(connection, query, {"encoding": encoding_id})


def left_out(
    connection: duckdb.DuckDBPyConnection,
    encoding_id: str,
    permissions: Collection[Permission] = LAWFUL,
    probes: pa.Table | None = None,
) -> dict[str, int]:
    """Number of works that an encoding does not have, by the first applicable reason.

    ``probes``: the works, column asset_id, that are kept out by choice.
    """
    connection.register("probes", pa.table({"asset_id": pa.array([], pa.int64())}) if probes is None else probes)
    query = (
        "SELECT CASE WHEN byte_size IS NULL THEN $metadata_only WHEN missing_since IS NOT NULL THEN $missing "  # noqa: S608 - a constant
        "WHEN NOT list_contains($permissions, permission) THEN permission "
        "WHEN id IN (SELECT asset_id FROM probes WHERE asset_id BETWEEN $first AND $last) THEN $probe ELSE $no_unit "
        "END AS reason, count(*) "
        "FROM (SELECT id, byte_size, missing_since, permission FROM asset WHERE id BETWEEN $first AND $last) "
        f"ANTI JOIN ({_ENCODED}) AS encoded ON asset_id = id GROUP BY 1"
    )
    reasons = {"metadata_only": METADATA_ONLY, "missing": MISSING, "probe": PROBE, "no_unit": NO_UNIT}
    values = {"permissions": [str(permission) for permission in permissions], "encoding": encoding_id, **reasons}
    found = _counted(connection, query, values)
    connection.unregister("probes")
    return found


_ENCODED = "SELECT asset_id FROM unit_asset WHERE encoding_id = $encoding AND asset_id BETWEEN $first AND $last"


def _counted(connection: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, object]) -> dict[str, int]:
    """The sums of a query's counts by name, over blocks of works: no join holds all works."""
    found: Counter[str] = Counter()
    for first, last in blocks_of_works(connection):
        for name, number in connection.execute(query, {**values, "first": first, "last": last}).fetchall():
            found[str(name)] += int(number)
    return dict(sorted(found.items()))
