"""Declarations of works: a row of asset_rights where a source differs from the newest row.

One rule for files and lists, :func:`append_newer`; :func:`declare` applies it to the declarations
of inspected files. A list states the columns that it has. A file's declaration states all of them
(the attributes may be left out), or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from registry.event_log.events import Change
from registry.ids import canonical_json
from registry.ingest.owners.declarations import Declaration
from registry.ingest.store.rows import insert_rows
from registry.rightsholders.names import licence_ids, rightsholder_ids

COLUMNS = ("rightsholder_id", "licence_id", "title", "creator", "source_url", "attributes")
"""Columns of asset_rights that a source may state."""
_STATED = ("rightsholder", "licence", "title", "creator", "source_url")
_Shares = list[tuple[int, str | None, float | None]]


@dataclass(frozen=True)
class NewerRights:
    """Rows that were appended to asset_rights."""

    rows: pa.Table
    """``id``, ``asset_id``, :data:`COLUMNS`, ``last_id`` (the newest row before, or null), its
    ``former_rightsholder_id`` and ``former_licence_id``, and the given further columns."""

    @property
    def asset_ids(self) -> NDArray[np.int64]:
        """The works, ascending."""
        return np.asarray(self.rows.column("asset_id").to_numpy())

    @property
    def first(self) -> int:
        """Number of works without an earlier declaration."""
        return int(self.rows.column("last_id").null_count)

    @property
    def changed(self) -> int:
        """Number of works with an earlier declaration."""
        return int(self.rows.num_rows) - self.first


def append_newer(change: Change, stated: pa.Table) -> NewerRights:
    """Append a row for every work with a newest declaration that differs from the stated one.

    A column that is not stated is taken over from the newest row, and so are the further
    rightsholders where the first one stays the same.

    Args:
        change: the transaction.
        stated: a row per work: ``asset_id``, ``recorded_from``, and the :data:`COLUMNS` that are
            stated. Null states that there is none, except for attributes: null leaves the recorded
            ones, ``{}`` states that there are none. Optional: ``silent``, true where the row states
            nothing but attributes; ``shares_stated`` and ``shares_changed``, true where the caller
            adds the further rightsholders, and where these alone require a row. Other columns are
            passed on to the result.
    """
    connection = change.connection
    given = [name for name in COLUMNS if name in stated.column_names]
    further = [name for name in stated.column_names if name not in (*COLUMNS, "asset_id")]
    values = {name: _value(name, stated) for name in COLUMNS}
    differs = [f"{_last(name)} IS DISTINCT FROM {values[name]}" for name in given]
    differs += ["shares_changed"] if "shares_changed" in stated.column_names else []
    connection.register("stated_rows", stated)
    # Bounds let DuckDB pass over the blocks of two wide tables that have none of these works.
    works = pc.min_max(stated.column("asset_id")).as_py()
    known = connection.execute(
        "SELECT asset_id AS known_id, declared_id FROM stated_rows JOIN asset ON asset.id = asset_id WHERE id BETWEEN ? AND ?",
        [works["min"], works["max"]],
    ).to_arrow_table()
    rights = pc.min_max(known.column("declared_id")).as_py()
    connection.register("known_works", known)
    newer = connection.execute(
        "SELECT ? + row_number() OVER (ORDER BY stated_rows.asset_id) - 1 AS id, stated_rows.asset_id AS asset_id, "  # noqa: S608
        f"{', '.join(f'{value} AS {name}' for name, value in values.items())}, "
        f"{''.join(f'stated_rows.{name} AS {name}, ' for name in further)}"
        "last.rightsholder_id AS former_rightsholder_id, last.licence_id AS former_licence_id, last.id AS last_id, "
        f"last.rightsholder_id IS NOT DISTINCT FROM {values['rightsholder_id']} AS same_rightsholder "
        "FROM stated_rows JOIN known_works ON known_id = stated_rows.asset_id "
        "LEFT JOIN (SELECT * EXCLUDE (asset_id, recorded_from) FROM asset_rights WHERE id BETWEEN ? AND ?) AS last "
        f"ON last.id = declared_id WHERE {' OR '.join(differs) or 'false'} ORDER BY 1",
        [change.next_id("asset_rights"), rights["min"], rights["max"]],
    ).to_arrow_table()
    connection.unregister("known_works")
    connection.unregister("stated_rows")
    if newer.num_rows:
        columns = newer.select(["id", "asset_id", *COLUMNS, "recorded_from"])
        constants = {"basis": "declared", "recorded_by": change.actor, "recorded_at": change.now}
        insert_rows(change, "asset_rights", columns, constants)
        _take_over_shares(change, newer)
    return NewerRights(newer)


def _value(name: str, stated: pa.Table) -> str:
    """SQL for the value of a column in a new row."""
    if name not in stated.column_names:
        return f"last.{name}"
    if name == "attributes":
        return "nullif(coalesce(stated_rows.attributes, last.attributes::VARCHAR), '{}')"
    if "silent" in stated.column_names:
        return f"CASE WHEN silent THEN last.{name} ELSE stated_rows.{name} END"
    return f"stated_rows.{name}"


def _last(name: str) -> str:
    return "nullif(last.attributes::VARCHAR, '{}')" if name == "attributes" else f"last.{name}"


def _take_over_shares(change: Change, newer: pa.Table) -> None:
    """Copy the further rightsholders of the row before, where the caller does not state them."""
    stated = "AND NOT shares_stated" if "shares_stated" in newer.column_names else ""
    change.connection.register("newer_rows", newer)
    change.connection.execute(
        "INSERT INTO co_rightsholder (id, rights_id, asset_id, position, rightsholder_id, role, share) "  # noqa: S608 - constants
        "SELECT ? + row_number() OVER (ORDER BY newer_rows.id, position) - 1, newer_rows.id, newer_rows.asset_id, position, "
        "further.rightsholder_id, role, share FROM newer_rows JOIN co_rightsholder AS further ON rights_id = last_id "
        f"WHERE same_rightsholder {stated}",
        [change.next_id("co_rightsholder")],
    )
    change.connection.unregister("newer_rows")


def declare(change: Change, declared: Mapping[int, Declaration]) -> NewerRights:
    """Append a row for every work whose declaration (by asset id) is not the recorded one."""
    # One declaration often applies to many works, or to all of them.
    kinds = {id(item): item for item in declared.values()}
    places = {key: place for place, key in enumerate(kinds)}
    statements = list(kinds.values())
    names = {item.rightsholder for item in statements if item.rightsholder}
    names |= {holder.name for item in statements for holder in item.holders or ()}
    ids = rightsholder_ids(change, names)
    licences = licence_ids(change, {item.licence for item in statements if item.licence})
    shares: dict[int, _Shares] = {
        place: [(ids[holder.name], holder.role, holder.share) for holder in item.holders]
        for place, item in enumerate(statements)
        if item.holders is not None
    }
    text = pa.string()
    columns = {name: pa.array([getattr(item, name) for item in statements], text) for name in _STATED[2:]}
    columns["rightsholder_id"] = pa.array([ids.get(item.rightsholder or "") for item in statements], pa.int64())
    columns["licence_id"] = pa.array([licences.get(item.licence or "") for item in statements], pa.int64())
    columns["attributes"] = pa.array([_json(item) for item in statements], text)
    columns["recorded_from"] = pa.array([item.recorded_from for item in statements], text)
    columns["silent"] = pa.array([not any(getattr(item, name) for name in _STATED) for item in statements])
    columns["statement"] = pa.array(range(len(statements)), pa.int64())
    columns["shares_stated"] = pa.array([place in shares for place in range(len(statements))], pa.bool_())
    numbers = [places[id(item)] for item in declared.values()]
    asset_ids = pa.array(declared.keys(), pa.int64())
    recorded = _recorded_shares(change.connection, asset_ids) if shares else {}
    changed = [
        place in shares and shares[place] != recorded.get(asset_id, [])
        for asset_id, place in zip(declared, numbers, strict=True)
    ]
    stated = pa.table(columns).take(pa.array(numbers, pa.int64()))
    stated = stated.append_column("asset_id", asset_ids).append_column("shares_changed", pa.array(changed, pa.bool_()))
    newer = append_newer(change, stated)
    if shares:
        _insert_shares(change, newer.rows, shares)
    return newer


def _recorded_shares(connection: duckdb.DuckDBPyConnection, ids: pa.Array) -> dict[int, _Shares]:
    """The last declared rightsholders of each work with several."""
    connection.register("asked", pa.table({"asked_id": ids}))
    rows = connection.execute(
        "SELECT further.asset_id, further.rightsholder_id, role, share FROM asked JOIN asset ON asset.id = asked_id "
        "JOIN co_rightsholder AS further ON rights_id = declared_id ORDER BY further.asset_id, position"
    ).fetchall()
    connection.unregister("asked")
    found: dict[int, _Shares] = {}
    for asset_id, rightsholder_id, role, share in rows:
        found.setdefault(int(asset_id), []).append((int(rightsholder_id), role, share))
    return found


def _insert_shares(change: Change, newer: pa.Table, shares: Mapping[int, _Shares]) -> None:
    listed = [
        (row["id"], row["asset_id"], position, *share)
        for row in newer.select(["id", "asset_id", "statement"]).to_pylist()
        for position, share in enumerate(shares.get(row["statement"], ()), start=1)
    ]
    if listed:
        number = pa.int64()
        kinds = {"rights_id": number, "asset_id": number, "position": number, "rightsholder_id": number}
        kinds |= {"role": pa.string(), "share": pa.float64()}
        columns = {
            name: pa.array(column, kind)
            for (name, kind), column in zip(kinds.items(), zip(*listed, strict=True), strict=True)
        }
        insert_rows(change, "co_rightsholder", columns)


def _json(declaration: Declaration) -> str | None:
    return None if declaration.attributes is None else canonical_json(dict(declaration.attributes))
