"""Counts over the works of one data set, each one query over columns for any number of works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import duckdb

from registry.permissions.rule import EXPLAINED
from registry.storage.results import number_of
from registry.storage.selection import selected_by
from reports.content.selection import (
    LICENCES,
    RIGHTSHOLDERS,
    WORKS,
    count_values,
    count_works,
    prepare_hosts,
    select_works,
)
from reports.data_sets.facts import Conflict, CountRow, CountTable
from reports.rendering.wording import clipped

TOP = 20
"""Rows listed per table of the report."""

TABLES: Mapping[str, str] = MappingProxyType(
    {
        "sources": "SELECT host AS name, NULL::VARCHAR AS note, sum(works)::BIGINT AS works, "
        "sum(forbidden)::BIGINT AS forbidden FROM selected_host GROUP BY 1",
        "statements": f"SELECT recorded_from AS name, NULL::VARCHAR AS note, {WORKS} "  # noqa: S608 - constants
        "FROM selected_work LEFT JOIN selected_rights AS declared ON declared.id = declared_id GROUP BY 1",
        "rightsholders": f"SELECT name, '#' || rightsholder_id AS note, works, forbidden FROM ({RIGHTSHOLDERS})",  # noqa: S608 - constants
        "licences": "SELECT reference AS name, 'training ' || training || coalesce(', ' || spdx, '') AS note, "  # noqa: S608
        f"works, forbidden FROM ({LICENCES})",
        "formats": f"SELECT media_type AS name, NULL::VARCHAR AS note, {WORKS} FROM selected_work GROUP BY 1",  # noqa: S608 - constants
        "grounds": "SELECT reason AS name, permission AS note, works, forbidden FROM permission_reasons",
        "signals": f"SELECT protocol || ': ' || category AS name, use AS note, {WORKS} FROM ("  # noqa: S608 - constants
        "SELECT DISTINCT protocol, category, use, selected_work.id, permission FROM current_signal "
        "JOIN selected_work ON selected_work.id = asset_id) GROUP BY 1, 2",
    }
)
"""By name, a SELECT of name, note, works and forbidden over the selected works."""


@dataclass(frozen=True)
class ConflictKind:
    """A kind of contradiction: its meaning, and a SELECT of (asset_id, detail) rows."""

    name: str
    explanation: str
    sql: str


_PAIRS = """
    SELECT near_duplicate.asset_id AS mine, other_asset_id AS other, distance FROM near_duplicate
    UNION ALL SELECT other_asset_id, near_duplicate.asset_id, distance FROM near_duplicate
"""

_SAME_BYTES = """
    SELECT work.id AS asset_id, 'work ' || min(other.id) || ' has the same bytes' AS detail
    FROM selected_work AS work JOIN same_bytes USING (identity, sha256) JOIN asset AS other
        ON other.identity = work.identity AND other.sha256 = work.sha256 AND other.id <> work.id
    WHERE {} GROUP BY work.id
"""
_ALIKE = f"""
    SELECT work.id AS asset_id, 'work ' || arg_min(other.id, distance) || ', ' || min(distance) || ' of 256 bits differ'
        AS detail
    FROM ({_PAIRS}) AS pairs JOIN selected_work AS work ON work.id = mine JOIN asset AS other ON other.id = pairs.other
    WHERE {{}} GROUP BY work.id
"""  # noqa: S608 - constants
_OTHERS = "other.rightsholder_id <> work.rightsholder_id"
_ONE_UNKNOWN = "(other.rightsholder_id IS NULL) <> (work.rightsholder_id IS NULL)"

CONFLICTS: tuple[ConflictKind, ...] = (
    ConflictKind(
        "checked rightsholder is not the declared one",
        "The rightsholder was checked here and is not the one that the source named. The checked one counts.",
        "SELECT asset_id, 'declared ' || declared_name || ', checked ' || verified_name AS detail FROM checked "
        "WHERE declared_holder <> verified_holder",
    ),
    ConflictKind(
        "checked licence is not the declared one",
        "The licence was checked here and is not the one that the source stated. The checked one counts.",
        "SELECT asset_id, 'declared ' || declared_licence || ', checked ' || verified_licence AS detail FROM checked "
        "WHERE declared_terms <> verified_terms",
    ),
    ConflictKind(
        "declared for different rightsholders",
        "At different times, or by different sources, different rightsholders were declared. The newest declaration counts.",
        """
        SELECT asset_id, string_agg(DISTINCT holder.name, '; ' ORDER BY holder.name) AS detail FROM (
            SELECT DISTINCT asset_id, rightsholder_id FROM asset_rights
            WHERE basis = 'declared' AND asset_id IN (SELECT id FROM selected_work) AND rightsholder_id IS NOT NULL
                AND asset_id IN (SELECT asset_id FROM redeclared)
        ) JOIN effective_rightsholder AS holder ON holder.id = rightsholder_id
        GROUP BY asset_id HAVING count(DISTINCT effective_id) > 1
        """,
    ),
    ConflictKind(
        "same file, different rightsholders",
        "The same bytes are registered more than once, for different rightsholders.",
        _SAME_BYTES.format(_OTHERS),
    ),
    ConflictKind(
        "same file, one has no rightsholder on record",
        "The same bytes are registered more than once, with a rightsholder on record and without one.",
        _SAME_BYTES.format(_ONE_UNKNOWN),
    ),
    ConflictKind(
        "looks like the work of another rightsholder",
        "Their fingerprints say that the pictures are near duplicates; they are registered for different rightsholders.",
        _ALIKE.format(_OTHERS),
    ),
    ConflictKind(
        "looks like another work, one has no rightsholder on record",
        "Their fingerprints say that the pictures are near duplicates; only one has a rightsholder on record.",
        _ALIKE.format(_ONE_UNKNOWN),
    ),
    ConflictKind(
        "licence permits, a signal reserves",
        "The licence permits training, and a machine-readable signal of the file or its site prohibits it.",
        """
        SELECT work.id AS asset_id, reference || '; ' || string_agg(DISTINCT protocol || ': ' || category, '; ') AS detail
        FROM selected_work AS work JOIN licence ON licence.id = licence_id
        JOIN current_signal ON current_signal.asset_id = work.id
        WHERE training = 'permitted' AND use = 'prohibited' GROUP BY work.id, reference
        """,
    ),
    ConflictKind(
        "claimed by another",
        "A claim on the work is open. Until it is decided, the work counts as unclear at best, unless a review of the "
        "work itself says otherwise.",
        """
        SELECT work.id AS asset_id, 'claim ' || array_to_string(list_sort(list(DISTINCT claim_id)), ', ') AS detail
        FROM open_claim JOIN claim_work USING (claim_id) JOIN selected_work AS work ON work.id = claim_work.asset_id
        WHERE claimant_id IS DISTINCT FROM work.rightsholder_id AND NOT EXISTS (
            SELECT 1 FROM co_owner WHERE co_owner.asset_id = work.id AND co_owner.rightsholder_id = claimant_id
        ) GROUP BY work.id
        """,
    ),
)

# A separate table: within one query DuckDB would compare the owners by a join of all with all.
_CHECKED = """
    SELECT work.id AS asset_id, said.effective_id AS declared_holder, said.name AS declared_name,
        holder.effective_id AS verified_holder, holder.name AS verified_name,
        coalesce(stated.spdx, stated.reference) AS declared_terms, stated.reference AS declared_licence,
        coalesce(found.spdx, found.reference) AS verified_terms, found.reference AS verified_licence
    FROM (SELECT id, declared_id, verified_id FROM selected_work WHERE verified_id IS NOT NULL) AS work
    JOIN selected_rights AS declared ON declared.id = work.declared_id
    JOIN selected_rights AS verified ON verified.id = work.verified_id
    LEFT JOIN effective_rightsholder AS said ON said.id = declared.rightsholder_id
    LEFT JOIN effective_rightsholder AS holder ON holder.id = verified.rightsholder_id
    LEFT JOIN licence AS stated ON stated.id = declared.licence_id
    LEFT JOIN licence AS found ON found.id = verified.licence_id
"""

# A work with several grounds that decide counts for each.
_REASONS = f"SELECT permission, reason, {WORKS} FROM ({EXPLAINED}) WHERE decides GROUP BY permission, reason"  # noqa: S608 - constants

SYNTHETIC = "FROM synthetic_work JOIN selected_work ON selected_work.id = asset_id"
"""The selected works whose files say that an AI model made them."""

CONFLICT_TABLE = " UNION ALL ".join(
    f"SELECT {place} AS place, '{kind.name}' AS conflict, asset_id, detail FROM ({kind.sql})"  # noqa: S608 - constants
    for place, kind in enumerate(CONFLICTS)
)


def prepare(connection: duckdb.DuckDBPyConnection, data_set_id: int) -> None:
    """Select a data set's works; make ``conflict`` and a ``counted_<name>`` per :data:`TABLES`."""
    select_works(connection, "SELECT * FROM asset WHERE data_set_id = ?", [data_set_id])
    prepare_hosts(connection)
    with selected_by(connection, "SELECT id FROM selected_work"):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE permission_reasons AS {_REASONS}")
    for name, query in {
        "redeclared": "SELECT asset_id FROM asset_rights WHERE basis = 'declared' "
        "AND asset_id IN (SELECT id FROM selected_work) GROUP BY asset_id HAVING count(*) > 1",
        "checked": _CHECKED,
        "same_bytes": "SELECT identity, sha256 FROM asset SEMI JOIN selected_work USING (identity) WHERE sha256 IS NOT NULL "
        "GROUP BY identity, sha256 HAVING count(*) > 1",
        "conflict": CONFLICT_TABLE,
        **{f"counted_{name}": query for name, query in TABLES.items()},
    }.items():
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")


def read_counts(connection: duckdb.DuckDBPyConnection, name: str) -> CountTable:
    """The largest rows of one of :data:`TABLES`."""
    # One pass over the works: the listed rows, the number of rows, and the works in the others.
    rows = connection.execute(
        f"SELECT name, note, works, forbidden, count(*) OVER (), sum(works) OVER () FROM counted_{name} "  # noqa: S608 - constants
        f"ORDER BY works DESC, name, note LIMIT {TOP}"
    ).fetchall()
    listed = [
        CountRow(
            name=None if title is None else clipped(title),
            note=None if note is None else clipped(note),
            works=works,
            forbidden=forbidden,
        )
        for title, note, works, forbidden, _, _ in rows
    ]
    if not rows:
        return CountTable(rows=[], total=0, works_left_out=0)
    return CountTable(rows=listed, total=rows[0][4], works_left_out=int(rows[0][5]) - sum(row.works for row in listed))


def read_permissions(connection: duckdb.DuckDBPyConnection) -> list[CountRow]:
    """Works by permission, the loosest first."""
    found = count_values(connection, "permission")
    names = ("permitted", "unclear", "constrained", "prohibited", "withdrawn")
    return [
        CountRow(name=name, works=found.get(name, 0), forbidden=found.get(name, 0) if name in names[3:] else 0)
        for name in names
    ]


def read_conflicts(connection: duckdb.DuckDBPyConnection) -> list[Conflict]:
    """Every kind of conflict with the number of its works, even 0."""
    found = dict(connection.execute("SELECT place, count(DISTINCT asset_id) FROM conflict GROUP BY 1").fetchall())
    return [
        Conflict(kind=kind.name, explanation=kind.explanation, works=found.get(place, 0))
        for place, kind in enumerate(CONFLICTS)
    ]


def read_totals(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """The total figures, by field of the facts."""
    totals = count_works(connection)
    signalled = connection.execute(
        "SELECT count(DISTINCT asset_id) FROM current_signal SEMI JOIN selected_work ON selected_work.id = asset_id"
    ).fetchall()[0][0]
    return {
        "works": totals.works,
        "bytes": totals.bytes,
        "metadata_only": totals.described_only,
        "missing": totals.missing,
        "without_rightsholder": totals.without_rightsholder,
        "without_licence": totals.without_licence,
        "verified": totals.verified,
        "first_registered": totals.first_registered,
        "last_registered": totals.last_registered,
        "with_signals": signalled,
        "synthetic": number_of(connection, f"SELECT count(*) {SYNTHETIC}"),
    }
