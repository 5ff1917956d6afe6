"""Recording what is declared for works: a row of asset_rights wherever the newest one says
something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.event_log.events import Change
from registry.ids import canonical_json
from registry.ingest.owners.declarations import Declaration
from registry.rightsholders.names import licence_ids, rightsholder_ids

_STATED = ("rightsholder", "licence", "title", "creator", "source_url")
_Shares = list[tuple[int, str | None, float | None]]


@dataclass(frozen=True)
class Recorded:
    """What was appended."""

    asset_ids: NDArray[np.int64]
    first: int
    """Works for which nothing had been declared before."""


def declare(change: Change, declared: Mapping[int, Declaration]) -> Recorded:
    """Append a row for every work whose declaration (by asset id) is not the recorded one."""
    connection = change.connection
    # One declaration speaks for many works, often for all of them.
    kinds = {id(item): item for item in declared.values()}
    places = {key: place for place, key in enumerate(kinds)}
    statements = list(kinds.values())
    names = {item.rightsholder for item in statements if item.rightsholder}
    names |= {holder.name for item in statements for holder in item.holders or ()}
    holders = rightsholder_ids(change, names)
    licences = licence_ids(change, {item.licence for item in statements if item.licence})
    ids = pa.array(declared.keys(), pa.int64())
    shares = {place: _shares(item, holders) for place, item in enumerate(statements) if item.holders is not None}
    recorded = _recorded_shares(connection, ids)
    numbers = [places[id(item)] for item in declared.values()]
    changed = [
        place in shares and shares[place] != recorded.get(asset_id, [])
        for asset_id, place in zip(declared, numbers, strict=True)
    ]
    columns = {name: pa.array([getattr(item, name) for item in statements], pa.string()) for name in _STATED}
    columns["attributes"] = pa.array([_json(item) for item in statements], pa.string())
    columns["recorded_from"] = pa.array([item.recorded_from for item in statements], pa.string())
    columns["statement"] = pa.array(range(len(statements)), pa.int64())
    columns["rightsholder_id"] = pa.array([holders.get(item.rightsholder or "") for item in statements], pa.int64())
    columns["licence_id"] = pa.array([licences.get(item.licence or "") for item in statements], pa.int64())
    connection.register("statements", pa.table(columns))
    works = {"asset_id": ids, "number": pa.array(numbers, pa.int64()), "shares_changed": pa.array(changed, pa.bool_())}
    connection.register("declared", pa.table(works))
    newer = connection.execute(_FIND_NEWER, [change.next_id("asset_rights")]).to_arrow_table()
    if newer.num_rows:
        connection.register("newer", newer)
        connection.execute(
            "INSERT INTO asset_rights (id, asset_id, basis, rightsholder_id, licence_id, title, creator, source_url, "
            "attributes, recorded_from, recorded_by, recorded_at) SELECT id, asset_id, 'declared', rightsholder_id, "
            "licence_id, title, creator, source_url, attributes, recorded_from, ?, ? FROM newer ORDER BY id",
            [change.actor, change.now],
        )
        if shares or recorded:
            _insert_shares(change, newer, shares, recorded)
        connection.unregister("newer")
    connection.unregister("declared")
    connection.unregister("statements")
    first = int(np.count_nonzero(newer["is_first"].to_numpy()))
    return Recorded(newer["asset_id"].to_numpy(), first)


# A source that has no further columns to say leaves the recorded ones as they are.
_FIND_NEWER = """
    SELECT ? + row_number() OVER (ORDER BY declared.asset_id) - 1 AS id, declared.asset_id AS asset_id,
        statements.rightsholder_id AS rightsholder_id, statements.licence_id AS licence_id, statements.title AS title,
        statements.creator AS creator, statements.source_url AS source_url, statements.recorded_from AS recorded_from,
        coalesce(statements.attributes, last.attributes) AS attributes, last.id IS NULL AS is_first, declared.number,
        last.rightsholder_id IS NOT DISTINCT FROM statements.rightsholder_id AS same_rightsholder
    FROM declared
    JOIN statements ON statement = number
    JOIN asset ON asset.id = declared.asset_id
    LEFT JOIN asset_rights AS last ON last.id = asset.declared_id
    WHERE (
            coalesce(rightsholder, licence, statements.title, statements.creator, statements.source_url) IS NOT NULL
            AND (last.id IS NULL
                OR last.rightsholder_id IS DISTINCT FROM statements.rightsholder_id
                OR last.licence_id IS DISTINCT FROM statements.licence_id
                OR last.title IS DISTINCT FROM statements.title OR last.creator IS DISTINCT FROM statements.creator
                OR last.source_url IS DISTINCT FROM statements.source_url)
        ) OR (statements.attributes IS NOT NULL AND statements.attributes <> coalesce(last.attributes, '{}'))
        OR shares_changed
    ORDER BY id
"""


def _shares(declaration: Declaration, ids: Mapping[str, int]) -> _Shares:
    return [(ids[holder.name], holder.role, holder.share) for holder in declaration.holders or ()]


def _recorded_shares(connection: duckdb.DuckDBPyConnection, ids: pa.Array) -> dict[int, _Shares]:
    """By work, the several rightsholders that were declared last."""
    row = connection.execute("SELECT count(*) FROM (SELECT 1 FROM co_rightsholder LIMIT 1)").fetchone()
    if row is None or not row[0]:
        return {}
    connection.register("asked", pa.table({"asked_id": ids}))
    rows = connection.execute(
        "SELECT co_rightsholder.asset_id, rightsholder_id_of, role, share FROM asked JOIN asset ON asset.id = asked_id "
        "JOIN (SELECT *, rightsholder_id AS rightsholder_id_of FROM co_rightsholder) AS co_rightsholder "
        "ON rights_id = declared_id ORDER BY co_rightsholder.asset_id, position"
    ).fetchall()
    connection.unregister("asked")
    found: dict[int, _Shares] = {}
    for asset_id, rightsholder_id, role, share in rows:
        found.setdefault(int(asset_id), []).append((int(rightsholder_id), role, share))
    return found


def _insert_shares(
    change: Change, newer: pa.Table, shares: Mapping[int, _Shares], recorded: Mapping[int, _Shares]
) -> None:
    listed: list[tuple[int, int, int, int, str | None, float | None]] = []
    for row in newer.select(["id", "asset_id", "number", "same_rightsholder"]).to_pylist():
        # Who says nothing of further rightsholders, and the same of the first, leaves them as they
        # are.
        kept = recorded.get(row["asset_id"], []) if row["same_rightsholder"] else []
        for position, share in enumerate(shares.get(row["number"], kept), start=1):
            listed.append((row["id"], row["asset_id"], position, *share))
    if not listed:
        return
    names = ("rights_id", "asset_id", "position", "rightsholder_id", "role", "share")
    types = (pa.int64(), pa.int64(), pa.int64(), pa.int64(), pa.string(), pa.float64())
    columns = {
        name: pa.array(column, kind) for name, kind, column in zip(names, types, zip(*listed, strict=True), strict=True)
    }
    start = change.next_id("co_rightsholder")
    columns["id"] = pa.array(range(start, start + len(listed)), pa.int64())
    change.connection.register("shares", pa.table(columns))
    change.connection.execute(
        f"INSERT INTO co_rightsholder (id, {', '.join(names)}) SELECT id, {', '.join(names)} FROM shares ORDER BY id"  # noqa: S608 - constants
    )
    change.connection.unregister("shares")


def _json(declaration: Declaration) -> str | None:
    return None if declaration.attributes is None else canonical_json(dict(declaration.attributes))
