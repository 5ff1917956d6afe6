"""The findings of the newest audits, and for each the rightsholder to license, from the registry.

A finding counts for a rightsholder if all works of its unit are theirs alone and none is prohibited
or withdrawn. It needs no licence if all works of its unit are permitted. Otherwise no licence of
one rightsholder makes the difference, and the finding says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np

from registry.basis.rows import Basis
from registry.outputs.grades import GRADES_OF_CANDIDATES
from registry.permissions.rule import FORBIDDEN, Permission
from reports.portfolios.cover import Real, Whole
from reports.portfolios.request import Request
from reports.portfolios.weights import probabilities
from reports.rendering.wording import clipped
from reports.statements.findings import AUDITS, PASSES

PERMITTED, LICENSABLE, REFUSED, NOBODY, SEVERAL, UNPRICED = range(6)
"""States of a finding."""
REASONS = {
    REFUSED: "a work is prohibited or withdrawn",
    NOBODY: "a work has no rightsholder on record",
    SEVERAL: "its works have several rightsholders, and one licence is not enough",
    UNPRICED: "the rightsholder has no price in the table",
}
"""States without a remedy, in words."""
MOST_LICENCES = 5
USABLE = tuple(each.value for each in Permission if each not in FORBIDDEN)
"""Permissions of the works that a licence can cover, or that need none."""

_CHOSEN = f"""
    SELECT * EXCLUDE (joint), row_number() OVER (ORDER BY kind DESC, ensemble_id, subject, audit_id) - 1 AS place
    FROM ({AUDITS}) WHERE CASE WHEN $audits IS NOT NULL THEN list_contains($audits, audit_id)
        ELSE newest AND (kind = 'sample' OR $images) AND ($ensemble IS NULL OR ensemble_id = $ensemble) END
"""  # noqa: S608 - constants

_FINDING = f"""
    SELECT place, audit_id, rank, encoding_id, unit_number, q_value, effect, effect_low, effect_high
    FROM candidate JOIN portfolio_audit AS their_audit USING (audit_id) JOIN ({GRADES_OF_CANDIDATES}) USING (audit_id, rank)
    WHERE {PASSES} AND (grade IS NULL OR list_contains($grades, grade))
"""  # noqa: S608 - constants

_WORKS = """
    SELECT unit_asset.encoding_id, unit_asset.unit_number, asset.id AS asset_id, asset.permission, asset.licence_id
    FROM unit_asset JOIN (SELECT DISTINCT encoding_id, unit_number FROM portfolio_finding) AS found
        ON found.encoding_id = unit_asset.encoding_id AND found.unit_number = unit_asset.unit_number
    JOIN asset ON asset.id = unit_asset.asset_id
"""

_OWNERS = """
    SELECT asset_id, count(*) AS owners, min(rightsholder_id) AS owner_id FROM work_rightsholder
    WHERE asset_id IN (SELECT asset_id FROM portfolio_work) GROUP BY asset_id
"""

_UNIT = f"""
    SELECT encoding_id, unit_number, CASE
            WHEN bool_and(permission = 'permitted') THEN {PERMITTED}
            WHEN bool_or(permission IN ('prohibited', 'withdrawn')) THEN {REFUSED}
            WHEN bool_or(owners IS NULL) THEN {NOBODY}
            WHEN max(owners) > 1 OR min(owner_id) <> max(owner_id) THEN {SEVERAL}
            ELSE {LICENSABLE} END AS state,
        min(owner_id) AS owner_id
    FROM portfolio_work LEFT JOIN portfolio_owner USING (asset_id) GROUP BY ALL
"""  # noqa: S608 - constants


@dataclass(frozen=True, eq=False)
class Holder:
    """A rightsholder with findings that a licence could cover."""

    id: int
    name: str
    works: int
    licences: tuple[str, ...]
    permissions: dict[str, int]


@dataclass(frozen=True, eq=False)
class Evidence:
    """O audited outputs and F findings, sorted by output; H rightsholders, by name and id."""

    ids: tuple[str, ...]
    """(O): samples' ids, or hashes of images."""
    outputs: Whole
    """(F): the output of each finding."""
    states: Whole
    """(F)"""
    owners: Whole
    """(F): the place in ``holders``; -1 unless the state is licensable or unpriced."""
    probability: Real
    """(F): that the finding is a source."""
    holders: tuple[Holder, ...]
    refused: dict[str, int]
    """By rightsholder with findings whose works are prohibited or withdrawn: the outputs."""
    slight: int
    """Outputs with findings, but none of a grade that counts."""
    not_audited: int
    images_left_out: int


def prepare(connection: duckdb.DuckDBPyConnection, request: Request) -> Basis:
    """Make the tables that :func:`read_evidence` reads, and say what they rest on."""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE portfolio_audit AS {_CHOSEN}",
        {"images": request.images, "ensemble": request.ensemble, "audits": request.audits},
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE portfolio_finding AS {_FINDING}", {"grades": list(request.grades)}
    )
    for name, query in {
        "portfolio_work": _WORKS,
        "portfolio_owner": _OWNERS,
        "portfolio_unit": _UNIT,
    }.items():
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")
    audits = connection.execute("SELECT audit_id FROM portfolio_audit ORDER BY place").fetchall()
    works = connection.execute("SELECT DISTINCT asset_id FROM portfolio_work ORDER BY 1").to_arrow_table()["asset_id"]
    return Basis(audits=[str(each) for (each,) in audits], works=works.to_numpy())


def read_evidence(connection: duckdb.DuckDBPyConnection, request: Request) -> Evidence:
    """The evidence; needs the tables of :func:`prepare`."""
    ids = connection.execute("SELECT subject FROM portfolio_audit ORDER BY place").fetchall()
    found = connection.execute(
        "SELECT place, state, coalesce(owner_id, -1) AS owner_id, q_value, effect, effect_low, effect_high "
        "FROM portfolio_finding JOIN portfolio_unit USING (encoding_id, unit_number) ORDER BY place, rank"
    ).fetchnumpy()
    q_value, effect, low, high = (
        np.ma.filled(np.ma.asarray(found[name], np.float64), np.nan)
        for name in ("q_value", "effect", "effect_low", "effect_high")
    )
    states, owners = found["state"].astype(np.int64), found["owner_id"].astype(np.int64)
    holders = _holders(connection)
    places = {each.id: place for place, each in enumerate(holders)}
    if request.prices is not None:
        priced = np.asarray([int(each) for each in request.prices], np.int64)
        states = np.where((states == LICENSABLE) & ~np.isin(owners, priced), UNPRICED, states)
    named = (states == LICENSABLE) | (states == UNPRICED)
    return Evidence(
        ids=tuple(str(each) for (each,) in ids),
        outputs=found["place"].astype(np.int64),
        states=states,
        owners=np.asarray(
            [places[owner] if keep else -1 for owner, keep in zip(owners.tolist(), named.tolist(), strict=True)],
            np.int64,
        ),
        probability=probabilities(q_value, effect, low, high),
        holders=holders,
        refused=_refused(connection),
        slight=_slight(connection),
        not_audited=0 if request.audits is not None else _not_audited(connection, request),
        images_left_out=0 if request.images or request.audits is not None else _images(connection, request),
    )


def _holders(connection: duckdb.DuckDBPyConnection) -> tuple[Holder, ...]:
    rows: list[dict[str, Any]] = (
        connection.execute(
            "SELECT rightsholder.id, rightsholder.name, count(DISTINCT asset_id) AS works, "  # noqa: S608 - constants
            "list_sort(list(DISTINCT licence.reference)) AS licences, "
            + ", ".join(f"count(DISTINCT asset_id) FILTER (permission = '{each}') AS {each}" for each in USABLE)
            + f" FROM portfolio_unit JOIN portfolio_work USING (encoding_id, unit_number) "
            "JOIN rightsholder ON rightsholder.id = owner_id LEFT JOIN licence ON licence.id = licence_id "
            f"WHERE state = {LICENSABLE} GROUP BY ALL ORDER BY rightsholder.name, rightsholder.id"
        )
        .to_arrow_table()
        .to_pylist()
    )
    return tuple(
        Holder(
            id=row["id"],
            name=clipped(row["name"]),
            works=row["works"],
            licences=tuple(clipped(each) for each in (row["licences"] or [])[:MOST_LICENCES]),
            permissions={each: row[each] for each in USABLE if row[each]},
        )
        for row in rows
    )


def _refused(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    rows = connection.execute(
        "SELECT rightsholder, count(DISTINCT place) FROM portfolio_finding "  # noqa: S608 - a constant
        "JOIN portfolio_unit USING (encoding_id, unit_number) JOIN portfolio_work USING (encoding_id, unit_number) "
        "JOIN work_rightsholder USING (asset_id) "
        f"WHERE state = {REFUSED} AND permission IN ('prohibited', 'withdrawn') GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    return {clipped(name): outputs for name, outputs in rows}


def _slight(connection: duckdb.DuckDBPyConnection) -> int:
    (found,) = connection.execute(
        "SELECT count(DISTINCT place) FROM candidate JOIN portfolio_audit AS their_audit USING (audit_id) "  # noqa: S608 - constants
        f"WHERE {PASSES} AND place NOT IN (SELECT place FROM portfolio_finding)"
    ).fetchall()[0]
    return int(found)


def _not_audited(connection: duckdb.DuckDBPyConnection, request: Request) -> int:
    (found,) = connection.execute(
        "SELECT count(*) FROM sample WHERE ($1 IS NULL OR ensemble_id = $1) "
        "AND id NOT IN (SELECT sample_id FROM audit WHERE sample_id IS NOT NULL)",
        [request.ensemble],
    ).fetchall()[0]
    return int(found)


def _images(connection: duckdb.DuckDBPyConnection, request: Request) -> int:
    (found,) = connection.execute(
        "SELECT count(DISTINCT image_sha256) FROM audit WHERE sample_id IS NULL AND ($1 IS NULL OR ensemble_id = $1)",
        [request.ensemble],
    ).fetchall()[0]
    return int(found)
