"""Everything on record about one work, for `creditline show`."""

from __future__ import annotations

import json
from typing import Any

import duckdb

from registry.errors import NotFoundError
from registry.permissions.rule import explain
from registry.storage.current_rights import rights_of
from registry.storage.results import records

_FACTS = "other_hash, identity, byte_size, declared_id, verified_id"

_SECTIONS = {
    "rightsholders": "SELECT * EXCLUDE (asset_id) FROM work_rightsholder WHERE asset_id = ? ORDER BY position, rightsholder_id",
    "rights_history": "SELECT * EXCLUDE (asset_id) FROM rights_history WHERE asset_id = ? ORDER BY rights_id DESC",
    "captions": "SELECT id AS caption_id, id = (SELECT caption_id FROM asset WHERE id = ?) AS newest, text AS caption, source, "
    "recorded_from, recorded_by, recorded_at FROM caption WHERE asset_id = ? ORDER BY id DESC",
    "embedded_metadata": "SELECT * EXCLUDE (asset_id, xmp), octet_length(xmp) AS xmp_bytes FROM embedded_metadata "
    "WHERE asset_id = ? ORDER BY id DESC",
    "synthetic": "SELECT signs FROM synthetic_work WHERE asset_id = ?",
    "signals": "SELECT * EXCLUDE (asset_id) FROM rights_signal WHERE asset_id = ? ORDER BY protocol, category, id",
    "claims": "SELECT current_claim.* EXCLUDE (works), matched_by, distance FROM claim_work "
    "JOIN current_claim ON current_claim.claim_id = claim_work.claim_id WHERE asset_id = ? ORDER BY claim_work.claim_id",
    "near_duplicates": """
        SELECT other_id AS asset_id, distance, rightsholder.name AS rightsholder,
            asset.rightsholder_id IS DISTINCT FROM (SELECT rightsholder_id FROM asset WHERE id = ?) AS of_another, found_at
        FROM (
            SELECT other_asset_id AS other_id, distance, found_at FROM near_duplicate WHERE asset_id = ?
            UNION ALL SELECT asset_id, distance, found_at FROM near_duplicate WHERE other_asset_id = ?
        ) JOIN asset ON asset.id = other_id LEFT JOIN rightsholder ON rightsholder.id = asset.rightsholder_id
        ORDER BY distance, other_id
    """,
    "encodings": """
        SELECT unit_asset.encoding_id, unit.number AS unit_number, unit.label AS unit, encoding.unit_kind, encoding.n,
            [i FOR i IN range(encoding.n) IF (unit.code >> i::UBIGINT) & 1 = 1] AS members
        FROM unit_asset
        JOIN unit ON unit.encoding_id = unit_asset.encoding_id AND unit.number = unit_asset.unit_number
        JOIN encoding ON encoding.id = unit.encoding_id
        WHERE unit_asset.asset_id = ? ORDER BY encoding.rowid
    """,
    "probe_of": "SELECT encoding_id, unit_kind, n, 'not trained on by choice' AS meaning FROM encoding_probe "
    "JOIN encoding ON encoding.id = encoding_id WHERE asset_id = ? ORDER BY encoding.rowid",
    "seen_by": "SELECT * EXCLUDE (asset_id, unit_number, unit) FROM exposure WHERE asset_id = ? "
    "ORDER BY ensemble_id, member_index, generation",
    "withdrawals": "SELECT * EXCLUDE (asset_id) FROM withdrawn_work WHERE asset_id = ? ORDER BY withdrawal_id",
}

DOCUMENTS = frozenset({"attributes", "fields", "c2pa", "problems"})
"""Columns with JSON texts."""


def work_details(connection: duckdb.DuckDBPyConnection, asset_id: int) -> dict[str, Any]:
    """Everything on record about a work, by subject; a list is empty where there is no record.

    ``work`` has the columns of that view, ``permission_grounds`` the reasons for its permission,
    ``rights_history`` all declared and verified rights and ``captions`` all captions (newest
    first), ``encodings`` the members that train on it by code, ``probe_of`` the encodings that keep
    it out of all members by choice, ``seen_by`` the registered members that did.

    Raises:
        NotFoundError: no work has this id.
    """
    found = records(connection.execute(f"SELECT * FROM ({rights_of([asset_id])})"))  # noqa: S608 - a number
    if not found:
        raise NotFoundError(f"no work {asset_id}; `creditline works` lists them")
    more = records(connection.execute(f"SELECT {_FACTS} FROM asset WHERE id = ?", [asset_id]))[0]  # noqa: S608 - a constant
    facts: dict[str, Any] = {"work": {**found[0], **more}}
    grounds = explain(connection, [asset_id]).to_pylist()
    facts["permission_grounds"] = [
        {name: value for name, value in ground.items() if name not in ("asset_id", "permission")} for ground in grounds
    ]
    for name, query in _SECTIONS.items():
        facts[name] = records(connection.execute(query, [asset_id] * query.count("?")))
    for row in (facts["work"], *facts["rights_history"], *facts["embedded_metadata"]):
        for name in DOCUMENTS & row.keys():
            row[name] = json.loads(row[name]) if isinstance(row[name], str) else row[name]
    return facts
