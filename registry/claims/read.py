"""Claims for reading: a list, and one claim with its works, pictures and decisions."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import duckdb
import pyarrow as pa

from registry.claims.record import claim_state, sought
from registry.permissions.rule import CURRENT_CLAIMS
from registry.similarity.search import LIMITS, works_without_fingerprint
from registry.storage.results import number_of, records
from registry.works.queries import asset_rights_table

_CLAIMS = f"""
    SELECT claim.id AS claim_id, claim.state, claimant.id AS claimant_id, claimant.name AS claimant, claim.statement,
        claim.evidence, claim.evidence_sha256, claim.recorded_by, claim.recorded_at, claim.decision_reason, claim.decided_by,
        claim.decided_at
    FROM ({CURRENT_CLAIMS}) AS claim
    JOIN effective_rightsholder AS stated ON stated.id = claim.rightsholder_id
    JOIN rightsholder AS claimant ON claimant.id = effective_id
"""  # noqa: S608 - a constant
"""Claims with their claimants, as the records that count."""

_WORKS = "SELECT count(DISTINCT asset_id) FROM claim_work WHERE claim_id = ?"


@dataclass(frozen=True)
class ClaimFacts:
    """All facts of one claim."""

    claim: dict[str, Any]
    works: list[dict[str, Any]]
    """A page of its works, nearest first, with current rights, ``matched_by`` and ``distance``."""
    works_total: int
    other_claims: dict[int, list[int]]
    """The other claims on each work of the page, by work id."""
    images: list[dict[str, Any]]
    """The claim's pictures: name, sha256, and why one could not be compared."""
    hashes: list[str]
    decisions: list[dict[str, Any]]
    works_not_compared: int | None
    """Works that pictures cannot be compared with; None for a claim without pictures."""
    limits: tuple[str, ...]
    """Limits of comparing pictures; empty for a claim without pictures."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def list_claims(
    connection: duckdb.DuckDBPyConnection,
    *,
    state: str | None = None,
    claimant_id: int | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> list[dict[str, Any]]:
    """Claims in a state or by a claimant, with their number of works; newest first."""
    return records(
        connection.execute(
            f"WITH page AS (SELECT * FROM ({_CLAIMS}) WHERE (?::VARCHAR IS NULL OR state = ?) "  # noqa: S608 - a constant
            "AND (?::BIGINT IS NULL OR claimant_id = ?) ORDER BY claim_id DESC LIMIT ? OFFSET ?) "
            "SELECT page.*, (SELECT count(DISTINCT asset_id) FROM claim_work WHERE claim_work.claim_id = page.claim_id) AS works "
            "FROM page ORDER BY page.claim_id DESC",
            [state, state, claimant_id, claimant_id, limit, offset],
        )
    )


def count_claims(
    connection: duckdb.DuckDBPyConnection, *, state: str | None = None, claimant_id: int | None = None
) -> int:
    """Number of claims that :func:`list_claims` lists without a limit."""
    return number_of(
        connection,
        f"SELECT count(*) FROM ({_CLAIMS}) WHERE (?::VARCHAR IS NULL OR state = ?) "  # noqa: S608 - a constant
        "AND (?::BIGINT IS NULL OR claimant_id = ?)",
        [state, state, claimant_id, claimant_id],
    )


def claim_facts(
    connection: duckdb.DuckDBPyConnection, claim_id: int, *, limit: int | None = None, offset: int = 0
) -> ClaimFacts:
    """All facts of one claim, with a page of its works.

    Raises:
        NotFoundError: no such claim.
        RegistryError: the log no longer has the claim's opening.
    """
    claim_state(connection, claim_id)
    hashes, images = sought(connection, claim_id)
    query = f"SELECT * FROM ({_CLAIMS}) WHERE claim_id = ?"  # noqa: S608 - a constant
    (claim,) = records(connection.execute(query, [claim_id]))
    matched = records(
        connection.execute(
            "SELECT asset_id, arg_min(matched_by, id) AS matched_by, arg_min(distance, id) AS distance, "
            "count(*) OVER () AS total FROM claim_work WHERE claim_id = ? GROUP BY asset_id "
            "ORDER BY distance NULLS FIRST, asset_id LIMIT ? OFFSET ?",
            [claim_id, limit, offset],
        )
    )
    ids = [int(row["asset_id"]) for row in matched]
    rights = {row["asset_id"]: row for row in asset_rights_table(connection, ids).to_pylist()}
    works = [
        {**rights[row["asset_id"]], "matched_by": row["matched_by"], "distance": row["distance"]}
        for row in matched
        if row["asset_id"] in rights
    ]
    connection.register("page_works", pa.table({"page_id": pa.array(ids, pa.int64())}))
    others = connection.execute(
        "SELECT asset_id, list(DISTINCT claim_id ORDER BY claim_id) FROM claim_work JOIN page_works ON page_id = asset_id "
        "WHERE claim_id <> ? GROUP BY asset_id ORDER BY asset_id",
        [claim_id],
    ).fetchall()
    connection.unregister("page_works")
    return ClaimFacts(
        claim=claim,
        works=works,
        works_total=int(matched[0]["total"]) if matched else number_of(connection, _WORKS, [claim_id]),
        other_claims={int(asset_id): list(claims) for asset_id, claims in others},
        images=[
            {"name": image.name, "sha256": image.sha256, "not_comparable": image.not_comparable} for image in images
        ],
        hashes=hashes,
        decisions=records(
            connection.execute(
                "SELECT state, reason, recorded_by, recorded_at FROM claim_decision WHERE claim_id = ? ORDER BY id",
                [claim_id],
            )
        ),
        works_not_compared=works_without_fingerprint(connection) if images else None,
        limits=LIMITS if images else (),
    )
