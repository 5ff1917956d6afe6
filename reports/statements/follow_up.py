"""Withdrawals of the works and their outcome, certificates, and claims."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from registry.claims.read import count_claims, list_claims
from registry.members.seen import withdrawals_applied_through
from registry.members.serving import ServiceStatus
from reports.rendering.wording import clipped
from reports.statements.facts import CertificatePart, ClaimPart, FollowedPart, WithdrawalPart

MOST = 100
"""Most withdrawals, claims and certificates to list."""


def read_withdrawals(
    connection: duckdb.DuckDBPyConnection, rightsholder_id: int, services: Sequence[ServiceStatus]
) -> tuple[list[WithdrawalPart], int]:
    """Withdrawals of the works or of the rightsholder, newest first; and their number."""
    rows = connection.execute(
        """
        WITH act AS (
            -- Works that are withdrawn together have a row each, of one moment and reason; the log says how many were named.
            SELECT recorded_at AS act_at, reason AS act_reason, count(*) FILTER (
                asset_id IN (SELECT asset_id FROM their_work) AND asset_id NOT IN (SELECT asset_id FROM other_owner)
            ) AS theirs, count(*) AS covered, min(withdrawal.id) AS first
            FROM withdrawal JOIN withdrawal_work ON withdrawal_id = withdrawal.id WHERE scope = 'asset' GROUP BY ALL
        ), about_them AS (
            SELECT act_at, act_reason FROM act JOIN (
                SELECT TRY_CAST(after::JSON ->> 'withdrawal' AS BIGINT) AS number,
                    TRY_CAST(after::JSON ->> 'named' AS BIGINT) AS named
                FROM event WHERE kind = 'withdrawn' AND json_valid(after)
            ) ON number = first WHERE coalesce(named, covered) = theirs
        )
        SELECT withdrawal.id, scope, coalesce(works, 0), reason, recorded_at, count(*) OVER (),
            effective_id IS NOT DISTINCT FROM $1
            OR scope = 'asset' AND (recorded_at, reason) IN (FROM about_them)
        FROM withdrawal LEFT JOIN (
            SELECT withdrawal_id, count(DISTINCT asset_id) AS works FROM withdrawal_work
            WHERE asset_id IN (SELECT asset_id FROM their_work) GROUP BY withdrawal_id
        ) ON withdrawal_id = withdrawal.id
        LEFT JOIN effective_rightsholder AS stated ON scope = 'rightsholder' AND stated.id = subject_id
        WHERE works IS NOT NULL OR effective_id = $1 ORDER BY withdrawal.id DESC LIMIT $2
        """,
        [rightsholder_id, MOST],
    ).fetchall()
    found = [
        WithdrawalPart(
            id=number,
            scope=scope,
            works=works,
            # A reason that covers others' works too may identify those others.
            reason=clipped(reason) if theirs_alone else None,
            recorded_at=recorded_at,
            followed=_followed(connection, number, services) if works else [],
        )
        for number, scope, works, reason, recorded_at, _, theirs_alone in rows
    ]
    return found, rows[0][5] if rows else 0


def _followed(
    connection: duckdb.DuckDBPyConnection, withdrawal_id: int, services: Sequence[ServiceStatus]
) -> list[FollowedPart]:
    """The effect of a withdrawal on each ensemble with some of the works in its encoding."""
    # One Arrow column, no Python objects: a withdrawal may cover millions of works.
    works: NDArray[np.int64] = (
        connection.execute(
            "SELECT DISTINCT asset_id FROM withdrawal_work SEMI JOIN their_work USING (asset_id) WHERE withdrawal_id = ?",
            [withdrawal_id],
        )
        .to_arrow_table()["asset_id"]
        .to_numpy()
    )
    return [part for service in services if (part := _followed_in(service, works)) is not None]


def _followed_in(service: ServiceStatus, works: NDArray[np.int64]) -> FollowedPart | None:
    withdrawn = service.withdrawn
    covered = np.isin(withdrawn.asset_ids, works)
    if not covered.any():
        return None
    applied = {state.member.index: withdrawals_applied_through(state.member) for state in service.states}
    concerned = [index for index in range(service.encoding.n) if bool((withdrawn.seen_by(index, None) & covered).any())]
    out = [
        index
        for index in concerned
        if index in applied and bool((withdrawn.seen_by(index, applied[index]) & covered).any())
    ]
    without = [index for index in concerned if index in applied and index not in out and applied[index] is not None]
    return FollowedPart(
        ensemble_id=service.ensemble.id, concerned=len(concerned), out_of_service=len(out), trained_without=len(without)
    )


def read_certificates(connection: duckdb.DuckDBPyConnection) -> list[CertificatePart]:
    """Certificates that name some of the works, newest first."""
    theirs = {
        str(sha256)
        for (sha256,) in connection.execute("SELECT sha256 FROM their_asset WHERE permission = 'withdrawn'").fetchall()
    }
    rows = connection.execute(
        "SELECT recorded_at, subject, after FROM event WHERE kind = 'certificate made' ORDER BY sequence DESC"
    ).fetchall()
    found: list[CertificatePart] = []
    for made_at, subject, after in rows:
        named = _certified(after)
        works = len(theirs & set(named[0]))
        if works and len(found) < MOST:
            found.append(
                CertificatePart(
                    made_at=made_at,
                    ensemble_id=subject.removeprefix("ensemble "),
                    works=works,
                    document_sha256=named[1],
                )
            )
    return found


def _certified(after: str | None) -> tuple[list[str], str]:
    try:
        found = json.loads(after or "null")
        return [str(each) for each in found["works"]], str(found["document_sha256"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return [], ""


def read_claims(connection: duckdb.DuckDBPyConnection, rightsholder_id: int) -> tuple[list[ClaimPart], int]:
    """Claims by the rightsholder and by others on the works, newest first; and their number."""
    theirs = list_claims(connection, claimant_id=rightsholder_id, limit=MOST)
    others: list[dict[str, Any]] = (
        connection.execute(
            "SELECT current_claim.* REPLACE (count(DISTINCT asset_id) AS works), count(*) OVER () AS total FROM current_claim "
            "JOIN claim_work USING (claim_id) WHERE claimant_id IS DISTINCT FROM ? "
            "AND asset_id IN (SELECT asset_id FROM their_work) GROUP BY ALL ORDER BY claim_id DESC LIMIT ?",
            [rightsholder_id, MOST],
        )
        .to_arrow_table()
        .to_pylist()
    )
    total = count_claims(connection, claimant_id=rightsholder_id) + (others[0]["total"] if others else 0)
    listed = [(row, True) for row in theirs] + [(row, False) for row in others]
    return [
        ClaimPart(
            id=row["claim_id"],
            theirs=own,
            # Another claimant's statement, and the answer to it, may identify that claimant.
            statement=clipped(row["statement"]) if own else None,
            state=row["state"],
            works=row["works"],
            recorded_at=row["recorded_at"],
            decided_at=row["decided_at"],
            decision_reason=clipped(row["decision_reason"]) if own and row["decision_reason"] is not None else None,
        )
        for row, own in sorted(listed, key=lambda each: -each[0]["claim_id"])[:MOST]
    ], total
