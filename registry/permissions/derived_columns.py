"""Columns of ``asset`` that follow from other rows: rights, rightsholder, licence, permission and
caption.

Code that adds a row about a work (a declaration, review, signal, claim, merge or withdrawal) calls
:func:`recompute` in the same transaction; code that adds captions calls :func:`recompute_captions`.
`creditline doctor` runs :func:`find_stale`.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
from numpy.typing import NDArray

from registry.event_log.events import Change
from registry.permissions.rule import EFFECTIVE
from registry.storage.row_groups import blocks_of_works
from registry.storage.selection import selected_by, selected_works

# A verified row holds only what was verified; the declared row, even a newer one, has the rest.
_RIGHTS = """
    SELECT selected_id AS asset_id, declared_id, verified_id,
        effective_id AS rightsholder_id, newest.licence_id AS licence_id
    FROM selected_works
    LEFT JOIN (
        SELECT asset_id, max(id) FILTER (basis = 'declared') AS declared_id,
            max(id) FILTER (basis = 'verified') AS verified_id,
            coalesce(
                arg_max_null(rightsholder_id, id) FILTER (basis = 'verified'),
                arg_max_null(rightsholder_id, id) FILTER (basis = 'declared')
            ) AS stated_id,
            coalesce(
                arg_max_null(licence_id, id) FILTER (basis = 'verified'),
                arg_max_null(licence_id, id) FILTER (basis = 'declared')
            ) AS licence_id
        FROM asset_rights JOIN selected_works ON asset_id = selected_id GROUP BY asset_id
    ) AS newest ON newest.asset_id = selected_id
    LEFT JOIN (
        SELECT id, effective_id FROM effective_rightsholder WHERE id IN (
            SELECT rightsholder_id FROM asset_rights SEMI JOIN selected_works ON asset_id = selected_id
        )
    ) AS holder ON holder.id = stated_id
"""

# The left side is the work: a caption_id without a row is stale as well.
_CAPTIONS = """
    SELECT selected_id AS asset_id, newest.id AS id FROM selected_works LEFT JOIN (
        SELECT asset_id, max(id) AS id FROM caption SEMI JOIN selected_works ON asset_id = selected_id GROUP BY asset_id
    ) AS newest ON newest.asset_id = selected_id
"""

_DIFFERS = " OR ".join(
    f"asset.{name} IS DISTINCT FROM current.{name}"
    for name in ("declared_id", "verified_id", "rightsholder_id", "licence_id")
)


def recompute(change: Change, asset_ids: Sequence[int] | NDArray[np.int64] | None) -> int:
    """Recompute these works' columns (None: of all works); returns how many permissions changed."""
    with selected_works(change.connection, asset_ids):
        _recompute_rights(change.connection)
        _recompute_captions(change.connection)
        return recompute_permissions(change)


def recompute_permissions(change: Change) -> int:
    """Recompute ``asset.permission`` for the relation ``selected_works``; returns how many changed.

    Logs the changes by :meth:`registry.event_log.events.Change.record_permission_changes`.
    """
    connection = change.connection
    changed = connection.execute(
        f"SELECT asset.id AS asset_id, asset.permission AS former, effective.permission AS current FROM ({EFFECTIVE}) "  # noqa: S608 - a constant
        "AS effective JOIN asset ON asset.id = effective.asset_id WHERE asset.permission <> effective.permission"
    ).to_arrow_table()
    if changed.num_rows:
        connection.register("changed_works", changed)
        connection.execute("UPDATE asset SET permission = changed_works.current FROM changed_works WHERE id = asset_id")
        connection.unregister("changed_works")
        change.record_permission_changes(changed)
    return int(changed.num_rows)


def recompute_rights(connection: duckdb.DuckDBPyConnection, asset_ids: Sequence[int] | NDArray[np.int64]) -> None:
    """The first half of :func:`recompute`. A work's address follows from its newest rights, too."""
    with selected_works(connection, asset_ids):
        _recompute_rights(connection)


def _recompute_rights(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "UPDATE asset SET declared_id = current.declared_id, verified_id = current.verified_id, "  # noqa: S608 - constants
        f"rightsholder_id = current.rightsholder_id, licence_id = current.licence_id FROM ({_RIGHTS}) AS current "
        f"WHERE asset.id = current.asset_id AND ({_DIFFERS})"
    )


def recompute_captions(connection: duckdb.DuckDBPyConnection, asset_ids: Sequence[int] | NDArray[np.int64]) -> None:
    """Recompute which caption counts: ``asset.caption_id``."""
    with selected_works(connection, asset_ids):
        _recompute_captions(connection)


def _recompute_captions(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        f"UPDATE asset SET caption_id = newest.id FROM ({_CAPTIONS}) AS newest "  # noqa: S608 - a constant
        "WHERE asset.id = newest.asset_id AND caption_id IS DISTINCT FROM newest.id"
    )


def find_stale(
    connection: duckdb.DuckDBPyConnection, asset_ids: Sequence[int] | NDArray[np.int64] | None = None
) -> list[int]:
    """Ids of works with columns that do not follow from the rows: something else wrote there.

    ``asset_ids``: the works to look at; None: all.
    """
    if asset_ids is not None:
        with selected_works(connection, asset_ids):
            return _stale(connection)
    found: list[int] = []
    for first, last in blocks_of_works(connection):
        with selected_by(connection, f"SELECT id FROM asset WHERE id BETWEEN {first} AND {last}"):  # noqa: S608 - numbers
            found += _stale(connection)
    return found


def _stale(connection: duckdb.DuckDBPyConnection) -> list[int]:
    """:func:`find_stale` for the relation ``selected_works``."""
    rows = connection.execute(
        f"SELECT asset.id FROM asset JOIN ({_RIGHTS}) AS current ON asset.id = current.asset_id "  # noqa: S608 - constants
        f"JOIN ({EFFECTIVE}) AS effective ON asset.id = effective.asset_id "
        f"JOIN ({_CAPTIONS}) AS newest ON asset.id = newest.asset_id "
        f"WHERE {_DIFFERS} OR asset.caption_id IS DISTINCT FROM newest.id "
        "OR asset.permission IS DISTINCT FROM effective.permission ORDER BY asset.id"
    ).fetchall()
    return [int(number) for (number,) in rows]
