"""A list's declarations for known works: newer ones, and the conflicts among them.

Only the columns that the list has are compared; the others are taken over from the declaration
before. The newer declaration counts; a finding names another rightsholder or licence than was
recorded. Merged rightsholders are one, and so are licences with the same SPDX expression.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from duckdb import DuckDBPyConnection
from numpy.typing import NDArray

from registry.event_log.events import Change
from registry.ingest.bulk.names import NOBODY
from registry.ingest.findings import Finding, Kind
from registry.ingest.lists.connection import one_line
from registry.ingest.lists.source import ListSource
from registry.ingest.store.rights import COLUMNS, append_newer
from registry.permissions.derived_columns import recompute
from registry.site_policies.store import recompute_with_policies

NAMED = 20
"""Conflicts of a list that are named; all are counted."""
_LONGEST_NAME = 80

_CONFLICTS = """
    FROM newer_rows
    LEFT JOIN effective_rightsholder AS owner ON owner.id = newer_rows.rightsholder_id
    LEFT JOIN effective_rightsholder AS former_owner ON former_owner.id = former_rightsholder_id
    LEFT JOIN licence AS terms ON terms.id = newer_rows.licence_id
    LEFT JOIN licence AS former_terms ON former_terms.id = former_licence_id
    WHERE (former_owner.id IS NOT NULL AND former_owner.effective_id IS DISTINCT FROM owner.effective_id)
        OR (former_terms.id IS NOT NULL AND coalesce(former_terms.spdx, former_terms.reference)
            IS DISTINCT FROM coalesce(terms.spdx, terms.reference))
"""


@dataclass(frozen=True)
class Newer:
    """Numbers of appended rows."""

    first: int = 0
    """Rows for works without an earlier declaration."""
    changed: int = 0
    conflicts: int = 0
    """Rows of ``changed`` with another rightsholder or licence."""
    findings: tuple[Finding, ...] = ()
    """The first conflicts."""


def declare_newer(
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
    """Append a row for each work of ``asset_ids`` (ascending) that ``places`` declare otherwise.

    Conflicts are counted, and at most ``named`` are named.
    """
    stated = [name for name in COLUMNS if _states(source, name.removesuffix("_id"))]
    if not len(places) or not stated:
        return Newer()
    taken = rows.take(pa.array(places))
    origin = pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(places), np.int32)), [source.name])
    columns = {"asset_id": pa.array(asset_ids), "row_number": taken.column("row_number"), "recorded_from": origin}
    for name in stated:
        if name.endswith("_id"):
            ids = (holder_ids if name == "rightsholder_id" else licence_ids)[places]
            columns[name] = pa.array(ids, mask=ids == NOBODY)
        else:
            columns[name] = taken.column(name)
    if "attributes" in stated:  # a row without attributes states that there are none
        columns["attributes"] = pc.fill_null(columns["attributes"], "{}")
    newer = append_newer(change, pa.table(columns))
    if not newer.rows.num_rows:
        return Newer()
    conflicts, findings = _conflicts_among(change.connection, newer.rows, source.place, named)
    (recompute_with_policies if "source_url" in stated else recompute)(change, newer.asset_ids)
    return Newer(newer.first, newer.changed, conflicts, findings)


def _states(source: ListSource, name: str) -> bool:
    if name == "attributes":
        return bool(source.attributes or source.attribute_constants)
    return name in source.mapping or name in source.defaults


def _conflicts_among(
    connection: DuckDBPyConnection, newer: pa.Table, place: Callable[[int], str], named: int
) -> tuple[int, tuple[Finding, ...]]:
    """The number of newer rows that contradict the row before, and the first ``named`` of them."""
    connection.register("newer_rows", newer)
    row = connection.execute(f"SELECT count(*) {_CONFLICTS}").fetchone()
    count = int(row[0]) if row else 0
    if not count or named < 1:
        return count, ()
    found = connection.execute(
        "SELECT row_number, conflict.asset_id, recorded_from, former_holder, holder, former_licence, licence FROM ("  # noqa: S608
        "SELECT row_number, newer_rows.asset_id, last_id, former_owner.name AS former_holder, owner.name AS holder, "
        "former_terms.reference AS former_licence, terms.reference AS licence "
        f"{_CONFLICTS} ORDER BY row_number LIMIT ?) AS conflict "
        "JOIN asset_rights ON asset_rights.id = last_id ORDER BY row_number",
        [named],
    ).fetchall()
    return count, tuple(
        Finding(place(int(number)), Kind.CONFLICT, _reason(int(asset_id), str(source), *names))
        for number, asset_id, source, *names in found
    )


def _reason(
    asset_id: int, source: str, former_holder: str | None, holder: str | None, before: str | None, now: str | None
) -> str:
    said = [
        f"the {what} {_shown(stated)}, where {_shown(former)} was recorded"
        for what, former, stated in (("rightsholder", former_holder, holder), ("licence", before, now))
        if former is not None and former != stated
    ]
    return f"names for work {asset_id} {' and '.join(said)} from {one_line(source)}; the newer declaration counts"


def _shown(name: str | None) -> str:
    return "(none)" if name is None else repr(one_line(name, _LONGEST_NAME))
