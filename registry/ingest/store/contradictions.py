"""Contradicting declarations of one work: both stay on record, and the conflict is listed.

Two declarations contradict each other if they name different rightsholders, or different licences,
or if a source takes back what it stated. Merged rightsholders are one, and so are licences with the
same SPDX expression.

A newer registration of a work appends a declared row, see :mod:`registry.ingest.store.rights`.
Another row of the same list, or another file with the same bytes, does not replace the declared
row. :func:`append_further` records what it adds: a ``further`` row. All of them count for the
permission, see :mod:`registry.permissions.rule`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from registry.event_log.events import Change
from registry.ingest.findings import Finding, Kind
from registry.ingest.lists.connection import one_line
from registry.ingest.store.rights import COLUMNS, append_newer
from registry.ingest.store.rows import insert_rows
from registry.permissions.derived_columns import recompute_rights

_LONGEST_NAME = 80
_RECORDED = (
    *("id", "asset_id", "row_number", "rightsholder_id", "licence_id", "last_id", "former_rightsholder_id"),
    *("former_licence_id", "statement"),
)

_CONFLICTS = """
    FROM newer_rows
    LEFT JOIN effective_rightsholder AS owner ON owner.id = newer_rows.rightsholder_id
    LEFT JOIN effective_rightsholder AS former_owner ON former_owner.id = former_rightsholder_id
    LEFT JOIN licence AS terms ON terms.id = newer_rows.licence_id
    LEFT JOIN licence AS former_terms ON former_terms.id = former_licence_id
    WHERE taken_back OR owner.effective_id <> former_owner.effective_id
        OR coalesce(terms.spdx, terms.reference) <> coalesce(former_terms.spdx, former_terms.reference)
"""

OWNERS_OF_ROWS = """
    LEFT JOIN effective_rightsholder AS owner ON owner.id = stated.rightsholder_id
    LEFT JOIN (
        SELECT rights_id, string_agg(DISTINCT effective_id::VARCHAR, ',' ORDER BY effective_id::VARCHAR) AS owners
        FROM co_rightsholder JOIN effective_rightsholder ON effective_rightsholder.id = rightsholder_id GROUP BY rights_id
    ) AS shared ON shared.rights_id = stated.id
"""
"""SQL that joins the rightsholders to ``stated``, rows of asset_rights, for :data:`OWNERS`."""

OWNERS = "coalesce(shared.owners, owner.effective_id::VARCHAR)"
"""SQL for all effective rightsholders of a row of asset_rights, as text."""

# Rows of a work that say nothing new are left out, whatever their spelling.
_FURTHER = f"""
    WITH again AS (
        SELECT again_rows.*, owner.effective_id AS owner, coalesce(terms.spdx, terms.reference) AS terms
        FROM again_rows LEFT JOIN effective_rightsholder AS owner ON owner.id = again_rows.rightsholder_id
        LEFT JOIN licence AS terms ON terms.id = again_rows.licence_id
        WHERE again_rows.rightsholder_id IS NOT NULL OR again_rows.licence_id IS NOT NULL
    ), recorded AS MATERIALIZED (
        SELECT stated.asset_id, stated.id, stated.rightsholder_id, stated.licence_id, owner.effective_id AS owner,
            coalesce(terms.spdx, terms.reference) AS terms, {OWNERS} AS owners,
            stated.id = max(stated.id) FILTER (basis = 'declared') OVER (PARTITION BY stated.asset_id) AS newest
        FROM (SELECT * FROM asset_rights WHERE asset_id BETWEEN $first AND $last AND basis <> 'verified') AS stated
        SEMI JOIN again ON again.asset_id = stated.asset_id
        LEFT JOIN licence AS terms ON terms.id = stated.licence_id
        {OWNERS_OF_ROWS}
    )
    SELECT again.* EXCLUDE (owner, terms), declared.id AS last_id, declared.rightsholder_id AS former_rightsholder_id,
        declared.licence_id AS former_licence_id,
        NOT coalesce(again.owners <> declared.owners OR again.terms <> declared.terms, false) AND (
            (declared.owner IS NULL AND again.owner IS NOT NULL) OR (declared.terms IS NULL AND again.terms IS NOT NULL)
        ) AS completes
    FROM again LEFT JOIN (FROM recorded WHERE newest) AS declared ON declared.asset_id = again.asset_id
    WHERE NOT EXISTS (
        FROM recorded WHERE recorded.asset_id = again.asset_id
            AND (again.owners IS NULL OR recorded.owners = again.owners) AND (again.terms IS NULL OR recorded.terms = again.terms)
    )
    QUALIFY row_number() OVER (
        PARTITION BY again.asset_id, again.owners, again.terms ORDER BY again.row_number
    ) = 1 ORDER BY again.asset_id, again.row_number
"""  # noqa: S608 - constants


@dataclass(frozen=True)
class Conflicts:
    """Declarations that contradict the newest one before."""

    count: int = 0
    findings: tuple[Finding, ...] = ()
    """The first of them."""


def conflicts_among(
    connection: duckdb.DuckDBPyConnection, newer: pa.Table, place: Callable[[int], str], named: int
) -> Conflicts:
    """Count the new rows that contradict the row before them, and describe the first ``named``.

    ``newer``: ``asset_id``, ``rightsholder_id``, ``licence_id``, ``row_number`` (in the source),
    ``last_id`` (of the row before, or null), ``former_rightsholder_id``, ``former_licence_id`` and
    optionally ``taken_back``.
    ``place`` gives the place of a row in its source, for people.
    """
    if not newer.num_rows:
        return Conflicts()
    if "taken_back" not in newer.column_names:
        newer = newer.append_column("taken_back", pa.array([False] * newer.num_rows))
    connection.register("newer_rows", newer)
    count = int(connection.execute(f"SELECT count(*) {_CONFLICTS}").fetchall()[0][0])
    found = []
    if count and named > 0:
        found = connection.execute(
            "SELECT row_number, conflict.asset_id, recorded_from, former_holder, holder, former_licence, licence FROM ("  # noqa: S608
            "SELECT row_number, newer_rows.asset_id, last_id, former_owner.name AS former_holder, owner.name AS holder, "
            "former_terms.reference AS former_licence, terms.reference AS licence "
            f"{_CONFLICTS} ORDER BY row_number LIMIT ?) AS conflict "
            "JOIN asset_rights ON asset_rights.id = last_id ORDER BY row_number",
            [named],
        ).fetchall()
    connection.unregister("newer_rows")
    findings = (
        Finding(place(int(number)), Kind.CONFLICT, _reason(int(asset_id), str(source), *names))
        for number, asset_id, source, *names in found
    )
    return Conflicts(count, tuple(findings))


def append_further(change: Change, again: pa.Table) -> pa.Table:
    """Record what further rows of a source declare about works that it has declared already.

    A row that completes the newest declaration is a newer one; every other one becomes a
    ``further`` row. What is on record already is not recorded again.

    Args:
        change: the transaction; ``asset.declared_id`` must be up to date.
        again: ``asset_id``, ``row_number``, ``recorded_from``, ``owners`` (the effective
            rightsholders, as text) and the stated columns of asset_rights. Several rows of one work
            are possible. Optional: ``statement``, a number that is passed on, and the columns that
            :func:`registry.ingest.store.rights.append_newer` takes for further rightsholders.

    Returns:
        The new rows: ``id``, ``statement`` if given, and what :func:`conflicts_among` needs.
    """
    connection = change.connection
    for name in ("rightsholder_id", "licence_id"):
        if name not in again.column_names:
            again = again.append_column(name, pa.nulls(again.num_rows, pa.int64()))
    ids = again.column("asset_id").to_numpy()
    connection.register("again_rows", again)
    found = connection.execute(_FURTHER, {"first": int(ids.min()), "last": int(ids.max())}).to_arrow_table()
    connection.unregister("again_rows")
    if not found.num_rows:
        return pa.table({name: pa.array([], pa.int64()) for name in _RECORDED})
    connection.register("found_rows", found)
    completing, further = (
        connection.execute(
            "SELECT * EXCLUDE (completes, turn) FROM (SELECT *, row_number() OVER (PARTITION BY asset_id, completes "  # noqa: S608
            f"ORDER BY row_number) AS turn FROM found_rows) WHERE {condition} ORDER BY asset_id, row_number"
        ).to_arrow_table()
        for condition in ("completes AND turn = 1", "NOT completes OR turn > 1")
    )
    connection.unregister("found_rows")
    recorded = [further]
    if completing.num_rows:
        left_out = {*COLUMNS[2:], "owners", "last_id", "former_rightsholder_id", "former_licence_id"}
        kept = [name for name in completing.column_names if name not in left_out]
        recorded.append(append_newer(change, completing.select(kept)).rows)
        recompute_rights(connection, completing.column("asset_id").to_numpy())
    first = change.next_id("asset_rights")
    recorded[0] = further = further.append_column("id", pa.array(range(first, first + further.num_rows), pa.int64()))
    if further.num_rows:
        columns = further.select(
            ["id", "asset_id", "recorded_from", *(n for n in COLUMNS if n in further.column_names)]
        )
        constants = {"basis": "further", "recorded_by": change.actor, "recorded_at": change.now}
        insert_rows(change, "asset_rights", columns, constants)
    return pa.concat_tables(
        [table.select([name for name in _RECORDED if name in table.column_names]) for table in recorded]
    )


def _reason(
    asset_id: int, source: str, former_holder: str | None, holder: str | None, before: str | None, now: str | None
) -> str:
    said = [
        f"the {what} {_shown(stated)}, where {_shown(former)} was recorded"
        for what, former, stated in (("rightsholder", former_holder, holder), ("licence", before, now))
        if former is not None and former != stated
    ]
    named = " and ".join(said)
    return f"names for work {asset_id} {named} from {one_line(source)}; both stay on record, the stricter counts"


def _shown(name: str | None) -> str:
    return "(none)" if name is None else repr(one_line(name, _LONGEST_NAME))
