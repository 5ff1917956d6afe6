"""Declarations of works: a row of asset_rights where a source differs from the newest row.

An empty cell takes back what the same source stated before: the newest version of a list or table
counts. An empty cell of another source states nothing: it neither replaces nor contradicts what is
recorded. The licence of one rightsholder is not taken over for another one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from registry.event_log.events import Change
from registry.ingest.store.rows import insert_rows

COLUMNS = ("rightsholder_id", "licence_id", "title", "creator", "source_url", "attributes")
"""Columns of asset_rights that a source may state."""
EMPTY = ("rightsholder_id_empty", "licence_id_empty")
"""Columns of :func:`append_newer`: true where the source has an empty cell for the value."""


@dataclass(frozen=True)
class NewerRights:
    """Rows that were appended to asset_rights."""

    rows: pa.Table
    """``id``, ``asset_id``, :data:`COLUMNS`, ``last_id`` (the newest row before, or null), its
    ``former_rightsholder_id`` and ``former_licence_id``, ``taken_back`` (whether an empty cell took
    back one of these), and the given further columns."""

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
    rightsholders where the first one stays the same. The licence is taken over unless another
    rightsholder is stated. Neither is taken over where the newest row is from the same source and
    the source has an empty cell now.

    Args:
        change: the transaction.
        stated: a row per work: ``asset_id``, ``recorded_from``, and the :data:`COLUMNS` that the
            source has. Null states nothing; attributes of ``{}`` state that there are none.
            Optional: :data:`EMPTY`; ``shares_stated`` and ``shares_changed``, true where the caller
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
    emptied = [f"({_emptied(name)} AND last.{name} IS NOT NULL)" for name in given if f"{name}_empty" in further]
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
        f"last.rightsholder_id IS NOT DISTINCT FROM {values['rightsholder_id']} AS same_rightsholder, "
        f"coalesce({' OR '.join(emptied) or 'false'}, false) AS taken_back "
        "FROM stated_rows JOIN known_works ON known_id = stated_rows.asset_id "
        "LEFT JOIN (SELECT * EXCLUDE (asset_id, recorded_from), recorded_from AS last_from FROM asset_rights "
        "WHERE id BETWEEN ? AND ?) AS last "
        "ON last.id = declared_id LEFT JOIN effective_rightsholder AS last_owner ON last_owner.id = last.rightsholder_id "
        f"{_OWNER if 'rightsholder_id' in given else ''} WHERE {' OR '.join(differs) or 'false'} ORDER BY 1",
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


_OWNER = "LEFT JOIN effective_rightsholder AS owner ON owner.id = stated_rows.rightsholder_id"


def _value(name: str, stated: pa.Table) -> str:
    """SQL for the value of a column in a new row."""
    given = name in stated.column_names
    if name == "attributes" and given:
        return "nullif(coalesce(stated_rows.attributes, last.attributes::VARCHAR), '{}')"
    value = f"coalesce(stated_rows.{name}, last.{name})" if given else f"last.{name}"
    if f"{name}_empty" in stated.column_names:
        value = f"CASE WHEN {_emptied(name)} THEN NULL ELSE {value} END"
    if name == "licence_id" and "rightsholder_id" in stated.column_names:
        of_another = "owner.effective_id <> last_owner.effective_id"
        return f"CASE WHEN {of_another} THEN {f'stated_rows.{name}' if given else 'NULL'} ELSE {value} END"
    return value


def _emptied(name: str) -> str:
    """SQL for whether the source has emptied the cell of a value."""
    return f"stated_rows.{name}_empty AND last_from = stated_rows.recorded_from"


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
