"""Where a list says otherwise than the registry has it whose a work is, or under which licence.

The newer declaration counts, as ever; but nobody's name is replaced without a word. Rightsholders
that were merged are one, and so are licences that were read as the same SPDX expression.
"""

from __future__ import annotations

from collections.abc import Callable

from duckdb import DuckDBPyConnection

from registry.ingest.findings import Finding, Kind
from registry.ingest.lists.connection import one_line

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


def conflicts_among(
    connection: DuckDBPyConnection, place: Callable[[int], str], named: int
) -> tuple[int, tuple[Finding, ...]]:
    """How many of ``newer_rows`` (see :mod:`registry.ingest.bulk.newer`) contradict the row before;
    the first ``named``.
    """
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
