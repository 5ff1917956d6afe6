"""Rightsholders with their facts and history, and the owners of works, for reading.

A merged record is read through the one that counts, with its name beside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import duckdb
import pyarrow as pa

from registry.permissions.rule import CURRENT_CLAIMS
from registry.rightsholders.identifiers import Identifier
from registry.rightsholders.records import Details, details_of, identifiers_of, others_with
from registry.storage.current_rights import effective_rights_id
from registry.storage.results import records


@dataclass(frozen=True)
class RightsholderFacts:
    """The present facts of a rightsholder."""

    rightsholder_id: int
    name: str
    merged: list[dict[str, Any]]
    """Records merged into this one: id, name, reason."""
    details: Details
    represented_by: str | None
    """The agent's name."""
    represents: list[dict[str, Any]]
    identifiers: list[Identifier]
    shared_identifiers: list[dict[str, Any]]
    """Other rightsholders with one of these identifiers: perhaps the same."""
    works: int
    """Works with this first or only rightsholder."""
    permissions: dict[str, int]
    co_owned: list[dict[str, Any]]
    """Works shared with others, by role."""
    open_claims: list[int]
    """Open claims of the rightsholder."""
    contested_works: int
    """Works of the rightsholder with open claims of others."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


_CURRENT_CO_OWNERS = f"""
    SELECT co_rightsholder.*, effective_id
    FROM co_rightsholder
    JOIN asset ON asset.id = co_rightsholder.asset_id
    LEFT JOIN asset_rights AS verified ON verified.id = asset.verified_id
    JOIN effective_rightsholder AS stated ON stated.id = co_rightsholder.rightsholder_id
    WHERE co_rightsholder.rights_id = {effective_rights_id("asset")}
"""  # noqa: S608 - constants
"""Rightsholders of shared works, by the effective rights row."""

_OPEN_CLAIMS = f"""
    SELECT claim.id AS claim_id, effective_id AS claimant_id
    FROM ({CURRENT_CLAIMS}) AS claim JOIN effective_rightsholder AS stated ON stated.id = claim.rightsholder_id
    WHERE claim.state = 'open'
"""  # noqa: S608 - constants


def rightsholder_facts(connection: duckdb.DuckDBPyConnection, rightsholder_id: int) -> RightsholderFacts:
    """The present facts of a rightsholder; the id is that of the record that counts."""
    details = details_of(connection, rightsholder_id)
    others = others_with(connection, rightsholder_id)
    names = _names(connection, [rightsholder_id, *(other for _, other in others), details.represented_by])
    permissions = connection.execute(
        "SELECT permission, count(*) FROM asset WHERE rightsholder_id = ? GROUP BY 1 ORDER BY 1", [rightsholder_id]
    ).fetchall()
    claims = connection.execute(
        f"SELECT claim_id FROM ({_OPEN_CLAIMS}) WHERE claimant_id = ? ORDER BY claim_id",  # noqa: S608 - constants
        [rightsholder_id],
    ).fetchall()
    contested = connection.execute(
        f"SELECT count(DISTINCT asset_id) FROM claim_work JOIN ({_OPEN_CLAIMS}) AS open USING (claim_id) "  # noqa: S608 - constants
        "JOIN asset ON asset.id = asset_id WHERE asset.rightsholder_id = ? AND claimant_id <> ?",
        [rightsholder_id, rightsholder_id],
    ).fetchall()
    return RightsholderFacts(
        rightsholder_id=rightsholder_id,
        name=names[rightsholder_id],
        merged=records(
            connection.execute(
                "SELECT rightsholder.id, name, arg_max(reason, rightsholder_merge.id) AS reason FROM rightsholder "
                "LEFT JOIN rightsholder_merge ON merged_id = rightsholder.id WHERE merged_into = ? "
                "GROUP BY rightsholder.id, name ORDER BY rightsholder.id",
                [rightsholder_id],
            )
        ),
        details=details,
        represented_by=names.get(details.represented_by) if details.represented_by is not None else None,
        represents=records(
            connection.execute(
                "SELECT said.rightsholder_id AS id, mine.name AS name FROM ("
                "    SELECT rightsholder_id, arg_max_null(represented_by, id) AS agent_id FROM rightsholder_details GROUP BY 1"
                ") AS said JOIN effective_rightsholder AS agent ON agent.id = agent_id JOIN rightsholder AS mine "
                "ON mine.id = said.rightsholder_id WHERE agent.effective_id = ? "
                "AND mine.merged_into IS NULL ORDER BY mine.name, mine.id",
                [rightsholder_id],
            )
        ),
        identifiers=identifiers_of(connection, rightsholder_id),
        shared_identifiers=[
            {"identifier": str(identifier), "id": other, "name": names[other]} for identifier, other in others
        ],
        works=sum(int(number) for _, number in permissions),
        permissions={str(name): int(number) for name, number in permissions},
        co_owned=records(
            connection.execute(
                f"SELECT role, count(DISTINCT asset_id) AS works FROM ({_CURRENT_CO_OWNERS}) WHERE effective_id = ? "  # noqa: S608 - a constant
                "GROUP BY role ORDER BY role NULLS LAST",
                [rightsholder_id],
            )
        ),
        open_claims=[int(number) for (number,) in claims],
        contested_works=int(contested[0][0]),
    )


def rightsholder_history(
    connection: duckdb.DuckDBPyConnection, rightsholder_id: int
) -> dict[str, list[dict[str, Any]]]:
    """All events and rows about a rightsholder and the records merged into it."""
    ids = [
        int(number)
        for (number,) in connection.execute(
            "SELECT id FROM rightsholder WHERE id = ? OR merged_into = ? ORDER BY id",
            [rightsholder_id, rightsholder_id],
        ).fetchall()
    ]
    subjects = [f"rightsholder {number}" for number in ids]
    queries = {
        "records": ("SELECT * FROM rightsholder WHERE list_contains(?, id) ORDER BY id", ids),
        "descriptions": (
            "SELECT * FROM rightsholder_details WHERE list_contains(?, rightsholder_id) ORDER BY id",
            ids,
        ),
        "identifiers": (
            "SELECT * FROM rightsholder_identifier WHERE list_contains(?, rightsholder_id) ORDER BY id",
            ids,
        ),
        "merges": ("SELECT * FROM rightsholder_merge WHERE list_contains(?, merged_id) ORDER BY id", ids),
        "events": (
            "SELECT sequence, recorded_at, actor, kind, subject, before, after FROM event "
            "WHERE list_contains(?, subject) ORDER BY sequence",
            subjects,
        ),
    }
    return {name: records(connection.execute(query, [values])) for name, (query, values) in queries.items()}


def owners_of(connection: duckdb.DuckDBPyConnection, asset_ids: Sequence[int]) -> list[dict[str, Any]]:
    """All statements about the rightsholders of these works, newest first.

    A row per statement and rightsholder, by work id. ``counts`` marks the effective statement;
    ``rightsholder`` is the record that counts and ``stated_as`` the stated name.
    """
    if not asset_ids:
        return []
    connection.register("owned_works", pa.table({"owned_id": pa.array(sorted(set(asset_ids)), pa.int64())}))
    rows = records(
        connection.execute(
            f"""
            WITH rights AS (
            SELECT asset_rights.*, asset_rights.id = {effective_rights_id("asset")} AS counts
            FROM asset_rights JOIN asset ON asset.id = asset_rights.asset_id
            LEFT JOIN asset_rights AS verified ON verified.id = asset.verified_id
            WHERE asset_rights.asset_id IN (SELECT owned_id FROM owned_works)
        ), owners AS (
            SELECT rights_id, position, rightsholder_id, role, share FROM co_rightsholder
            WHERE rights_id IN (SELECT id FROM rights)
            UNION ALL
            SELECT id, 1, rightsholder_id, NULL, NULL FROM rights
            WHERE id NOT IN (SELECT rights_id FROM co_rightsholder WHERE asset_id IN (SELECT owned_id FROM owned_works))
        )
        SELECT rights.asset_id, rights.id AS rights_id, basis, counts, position, current.id AS rightsholder_id,
            current.name AS rightsholder, stated.name AS stated_as, role, share, licence.reference AS licence, title, creator,
            recorded_from, recorded_by, recorded_at
        FROM rights JOIN owners ON owners.rights_id = rights.id
        LEFT JOIN effective_rightsholder AS stated ON stated.id = owners.rightsholder_id
        LEFT JOIN rightsholder AS current ON current.id = effective_id
        LEFT JOIN licence ON licence.id = rights.licence_id
        ORDER BY rights.asset_id, rights.id DESC, position
        """,  # noqa: S608 - a constant
        )
    )
    connection.unregister("owned_works")
    return rows


def _names(connection: duckdb.DuckDBPyConnection, ids: Sequence[int | None]) -> dict[int, str]:
    rows = connection.execute("SELECT id, name FROM rightsholder WHERE list_contains(?, id)", [list(ids)]).fetchall()
    return {int(number): str(name) for number, name in rows}
