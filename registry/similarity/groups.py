"""Groups of works that look alike, with their rightsholders.

Pairs are found when works are registered (:mod:`registry.similarity.hamming_join`), and joined to
groups here. Groups with several rightsholders come first, because one of them may be wrong; then
the largest. Looking alike does not prove copying; see :mod:`registry.similarity.pdq`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.similarity.hamming_join import groups
from registry.similarity.search import works_without_fingerprint
from registry.works.queries import asset_rights_table

NO_OWNER = -1


@dataclass(frozen=True, eq=False)
class Group:
    """Works that look alike, directly or through others."""

    number: int
    """From 1, in the order of the listing."""
    asset_ids: NDArray[np.int64]
    """Ascending."""
    distances: NDArray[np.int64]
    """For each work, the fewest bits of 256 that differ from another work of the group."""
    rightsholders: int
    """Number of different rightsholders. Works without one do not count."""
    permissions: tuple[str, ...]
    """The works' permissions, each once, sorted. More than one is a contradiction to review."""


@dataclass(frozen=True)
class Duplicates:
    """All groups, and the works that could not be compared."""

    groups: tuple[Group, ...]
    across: int
    """Number of groups with several rightsholders; they come first."""
    works_not_compared: int
    """Works without a fingerprint."""


def near_duplicates(
    connection: duckdb.DuckDBPyConnection, *, across_only: bool = False, rightsholder_id: int | None = None
) -> Duplicates:
    """The groups of works that look alike.

    ``across_only`` leaves out groups of a single rightsholder; ``rightsholder_id`` (of the record
    that counts) leaves out groups without a work of this rightsholder.
    """
    rows = connection.execute("SELECT asset_id, other_asset_id, distance FROM near_duplicate").to_arrow_table()
    columns = [rows[name].to_numpy().astype(np.int64) for name in rows.column_names]
    pairs = np.column_stack(columns) if len(rows) else np.empty((0, 3), np.int64)
    found = groups(pairs)
    if not found:
        return Duplicates((), 0, works_without_fingerprint(connection))
    sizes = np.array([len(group) for group in found])
    members = np.concatenate(found)
    number_of_group = np.repeat(np.arange(len(found)), sizes)
    owners, permissions = _owners(connection, members)
    different = _different(number_of_group, owners, len(found))
    kept = np.ones(len(found), np.bool_)
    if across_only:
        kept &= different > 1
    if rightsholder_id is not None:
        kept &= np.isin(np.arange(len(found)), number_of_group[owners == rightsholder_id])
    nearest = _nearest(pairs, members)
    ends = np.cumsum(sizes)
    order = np.lexsort((np.arange(len(found)), -sizes, different <= 1))
    chosen = [int(place) for place in order if kept[place]]
    listed = []
    for number, place in enumerate(chosen, start=1):
        span = slice(int(ends[place] - sizes[place]), int(ends[place]))
        said = tuple(sorted(set(permissions[span])))
        listed.append(Group(number, found[place], nearest[span], int(different[place]), said))
    return Duplicates(tuple(listed), int((different[chosen] > 1).sum()), works_without_fingerprint(connection))


def pairs_among(connection: duckdb.DuckDBPyConnection, asset_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """(P, 2): the ids of those of these works that are near duplicates, or have the same file."""
    connection.register("compared", pa.table({"compared_id": asset_ids}))
    pairs = connection.execute(
        "SELECT asset_id, other_asset_id FROM near_duplicate SEMI JOIN compared ON asset_id = compared_id "
        "WHERE other_asset_id IN (SELECT compared_id FROM compared) UNION ALL "
        "SELECT * FROM (SELECT min(id) AS first, unnest(list(id)) AS other FROM asset "
        "SEMI JOIN compared ON id = compared_id WHERE sha256 IS NOT NULL GROUP BY sha256) WHERE first <> other"
    ).to_arrow_table()
    connection.unregister("compared")
    columns = [column.to_numpy().astype(np.int64) for column in pairs.columns]
    return np.column_stack(columns).reshape(-1, 2)


def works_of(
    connection: duckdb.DuckDBPyConnection, chosen: tuple[Group, ...], most: int | None = None
) -> list[list[dict[str, Any]]]:
    """For each group, its first ``most`` works with their current rights and ``distance``."""
    ids = [group.asset_ids[:most] for group in chosen]
    table = asset_rights_table(connection, np.unique(np.concatenate(ids)).tolist() if ids else [])
    rights = {row["asset_id"]: row for row in table.to_pylist()}
    return [
        [
            {**rights[asset_id], "distance": int(distance)}
            for asset_id, distance in zip(shown.tolist(), group.distances, strict=False)
            if asset_id in rights
        ]
        for group, shown in zip(chosen, ids, strict=True)
    ]


def listing_of(connection: duckdb.DuckDBPyConnection, found: Duplicates) -> pa.Table:
    """All groups for export, a row per work: group_number, rightsholders, distance, rights."""
    ids = list(_concatenated(group.asset_ids for group in found.groups))
    table = pa.table(
        {
            "group_number": pa.array(
                _concatenated(np.full(len(group.asset_ids), group.number) for group in found.groups), pa.int64()
            ),
            "rightsholders": pa.array(
                _concatenated(np.full(len(group.asset_ids), group.rightsholders) for group in found.groups), pa.int64()
            ),
            "distance": pa.array(_concatenated(group.distances for group in found.groups), pa.int64()),
            "asset_id": pa.array(ids, pa.int64()),
        }
    )
    rights = asset_rights_table(connection, sorted(ids))
    connection.register("grouped", table)
    connection.register("grouped_rights", rights.rename_columns({"rightsholder": "rightsholder_name"}))
    joined: pa.Table = connection.execute(
        "SELECT group_number, rightsholders, distance, grouped_rights.* FROM grouped JOIN grouped_rights USING (asset_id) "
        "ORDER BY group_number, asset_id"
    ).to_arrow_table()
    connection.unregister("grouped")
    connection.unregister("grouped_rights")
    return joined.rename_columns({"rightsholder_name": "rightsholder"})


def _concatenated(parts: Iterator[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.empty(0, np.int64), *parts])


def _owners(
    connection: duckdb.DuckDBPyConnection, members: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """The rightsholder (or NO_OWNER) and the permission of each work, in their order."""
    connection.register("alike", pa.table({"alike_id": members, "place": np.arange(len(members))}))
    rows = connection.execute(
        "SELECT coalesce(rightsholder_id, ?) AS owner, coalesce(permission, 'unclear') AS permission "
        "FROM alike LEFT JOIN asset ON id = alike_id ORDER BY place",
        [NO_OWNER],
    ).to_arrow_table()
    connection.unregister("alike")
    return rows["owner"].to_numpy().astype(np.int64), rows["permission"].to_numpy(zero_copy_only=False)


def _different(group_of: NDArray[np.int64], owners: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The number of different rightsholders of each group."""
    owned = owners != NO_OWNER
    distinct = np.unique(np.column_stack([group_of[owned], owners[owned]]), axis=0)
    return np.bincount(distinct[:, 0], minlength=count)


def _nearest(pairs: NDArray[np.int64], members: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each work, its least distance to a work of a pair."""
    order = np.argsort(members)
    nearest = np.full(len(members), np.iinfo(np.int64).max)
    for end in (0, 1):
        np.minimum.at(nearest, order[np.searchsorted(members, pairs[:, end], sorter=order)], pairs[:, 2])
    return nearest
