"""What a list declares for works that the registry has: a newer row wherever it says something
else.

Only the columns that the list has are compared, and what it says nothing of is taken over from the
row before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from registry.event_log.events import Change
from registry.ingest.bulk.conflicts import conflicts_among
from registry.ingest.bulk.names import NOBODY
from registry.ingest.findings import Finding
from registry.ingest.lists.source import ListSource
from registry.permissions.derived_columns import refresh
from registry.site_policies.store import refresh_with_policies

_COLUMNS = ("rightsholder_id", "licence_id", "title", "creator", "source_url", "attributes")


@dataclass(frozen=True)
class Newer:
    """How many rows were appended."""

    first: int = 0
    """For works for which nothing had been declared before."""
    changed: int = 0
    conflicts: int = 0
    """Of ``changed``, those that name another rightsholder or licence."""
    findings: tuple[Finding, ...] = ()
    """The first of these."""


def declare_anew(
    change: Change,
    source: ListSource,
    rows: pa.Table,
    places: NDArray[np.int64],
    asset_ids: NDArray[np.int64],
    holder_ids: NDArray[np.int64],
    licence_ids: NDArray[np.int64],
    *,
    named: int = 0,
) -> Newer:
    """Append a row for each of these works (``asset_ids``, ascending) that the rows at ``places``
    speak of otherwise.

    Conflicts are counted, and at most ``named`` are named.
    """
    if not len(places):
        return Newer()
    stated = [name for name in _COLUMNS if _states(source, name.removesuffix("_id"))]
    taken = rows.take(pa.array(places))
    columns: dict[str, pa.Array] = {"asset_id": pa.array(asset_ids), "row_number": taken.column("row_number")}
    for name in stated:
        if name.endswith("_id"):
            ids = (holder_ids if name == "rightsholder_id" else licence_ids)[places]
            columns[name] = pa.array(ids, mask=ids == NOBODY)
        else:
            columns[name] = taken.column(name)
    if not stated:
        return Newer()
    connection = change.connection
    connection.register("stated_rows", pa.table(columns))
    newer = _newer(change, stated, int(asset_ids[0]), int(asset_ids[-1]))
    connection.unregister("stated_rows")
    if not newer.num_rows:
        return Newer()
    connection.register("newer_rows", newer)
    listed = ", ".join(_COLUMNS)
    connection.execute(
        f"INSERT INTO asset_rights (id, asset_id, basis, {listed}, recorded_from, recorded_by, recorded_at) "  # noqa: S608
        f"SELECT id, asset_id, 'declared', {listed}, ?, ?, ? FROM newer_rows ORDER BY id",
        [source.name, change.actor, change.now],
    )
    # Who says the same of the first rightsholder, and a list knows only one, leaves the further
    # ones as they are.
    connection.execute(
        "INSERT INTO co_rightsholder (id, rights_id, asset_id, position, rightsholder_id, role, share) "
        "SELECT ? + row_number() OVER (ORDER BY newer_rows.id, position) - 1, newer_rows.id, newer_rows.asset_id, position, "
        "further.rightsholder_id, role, share FROM newer_rows JOIN co_rightsholder AS further ON rights_id = last_id "
        "WHERE same_rightsholder",
        [change.next_id("co_rightsholder")],
    )
    conflicts, findings = conflicts_among(connection, source.place, named)
    connection.unregister("newer_rows")
    renew = refresh_with_policies if "source_url" in stated else refresh
    renew(change, newer.column("asset_id").to_numpy())
    first = newer.num_rows - (newer.num_rows - newer.column("last_id").null_count)
    return Newer(first, newer.num_rows - first, conflicts, findings)


def _newer(change: Change, stated: list[str], first: int, last: int) -> pa.Table:
    """The rows to append, with all their columns."""
    connection = change.connection
    # Bounds let DuckDB pass over the blocks of two wide tables that have none of these works.
    known = connection.execute(
        "SELECT asset_id AS known_id, declared_id FROM stated_rows JOIN asset ON asset.id = asset_id WHERE id BETWEEN ? AND ?",
        [first, last],
    ).to_arrow_table()
    bounds = pc.min_max(known.column("declared_id")).as_py()
    connection.register("known_works", known)
    differs = " OR ".join(f"last.{name}{_text(name)} IS DISTINCT FROM stated_rows.{name}" for name in stated)
    anything = " OR ".join(f"stated_rows.{name} IS NOT NULL" for name in stated)
    columns = ", ".join(f"{'stated_rows' if name in stated else 'last'}.{name} AS {name}" for name in _COLUMNS)
    found = connection.execute(
        f"SELECT ? + row_number() OVER (ORDER BY asset_id) - 1 AS id, stated_rows.asset_id AS asset_id, {columns}, "  # noqa: S608
        "row_number, last.rightsholder_id AS former_rightsholder_id, last.licence_id AS former_licence_id, "
        "last.id AS last_id, last.rightsholder_id IS NOT DISTINCT FROM "
        f"{'stated_rows' if 'rightsholder_id' in stated else 'last'}.rightsholder_id AS same_rightsholder "
        "FROM stated_rows JOIN known_works ON known_id = stated_rows.asset_id "
        "LEFT JOIN (SELECT * EXCLUDE (asset_id) FROM asset_rights WHERE id BETWEEN ? AND ?) AS last ON last.id = declared_id "
        f"WHERE ({differs}) AND (last.id IS NOT NULL OR {anything}) ORDER BY 1",
        [change.next_id("asset_rights"), bounds["min"], bounds["max"]],
    ).to_arrow_table()
    connection.unregister("known_works")
    return found


def _states(source: ListSource, name: str) -> bool:
    if name == "attributes":
        return bool(source.attributes or source.attribute_constants)
    return name in source.mapping or name in source.defaults


def _text(name: str) -> str:
    return "::VARCHAR" if name == "attributes" else ""
