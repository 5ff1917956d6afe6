"""What the rightsholder and others did about the works: withdrawals with what followed, certificates, claims."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np

from registry.claim_facts import count_claims, list_claims
from registry.service import Service, heeded_by
from reports.statements.facts import CertificatePart, ClaimPart, FollowedPart, WithdrawalPart
from reports.statements.texts import clipped

MOST = 100
"""Withdrawals, claims and certificates that are listed."""


def read_withdrawals(
    connection: duckdb.DuckDBPyConnection, rightsholder_id: int, services: Sequence[Service]
) -> tuple[list[WithdrawalPart], int]:
    """Withdrawals that cover works of theirs or were made in their name, newest first, and how many there are."""
    rows = connection.execute(
        """
        SELECT withdrawal.id, scope, coalesce(works, []), reason, recorded_at, count(*) OVER ()
        FROM withdrawal LEFT JOIN (
            SELECT withdrawal_id, list(DISTINCT asset_id ORDER BY asset_id) AS works FROM withdrawal_work
            WHERE asset_id IN (SELECT asset_id FROM their_work) GROUP BY withdrawal_id
        ) ON withdrawal_id = withdrawal.id
        LEFT JOIN rightsholder ON scope = 'rightsholder' AND rightsholder.id = subject_id
        WHERE works IS NOT NULL OR coalesce(merged_into, rightsholder.id) = ? ORDER BY withdrawal.id DESC LIMIT ?
        """,
        [rightsholder_id, MOST],
    ).fetchall()
    found = [
        WithdrawalPart(
            id=number,
            scope=scope,
            works=len(works),
            reason=clipped(reason),
            recorded_at=recorded_at,
            followed=[part for service in services if (part := _followed(service, works)) is not None],
        )
        for number, scope, works, reason, recorded_at, _ in rows
    ]
    return found, rows[0][-1] if rows else 0


def _followed(service: Service, works: Sequence[int]) -> FollowedPart | None:
    """What the withdrawal did to an ensemble; None if its encoding has none of the works."""
    withdrawn = service.withdrawn
    covered = np.isin(withdrawn.asset_ids, np.asarray(works, dtype=np.int64))
    if not covered.any():
        return None
    heeding = {state.member.index: heeded_by(state.member) for state in service.states}
    concerned = [
        index
        for index in range(service.encoding.n)
        if bool((covered & ((withdrawn.codes >> np.uint64(index) & np.uint64(1)) == 1)).any())
    ]
    out = [
        index
        for index in concerned
        if index in heeding and bool((withdrawn.seen_by(index, heeding[index]) & covered).any())
    ]
    without = [index for index in concerned if index in heeding and index not in out and heeding[index] is not None]
    return FollowedPart(
        ensemble_id=service.ensemble.id, concerned=len(concerned), out_of_service=len(out), trained_without=len(without)
    )


def read_certificates(connection: duckdb.DuckDBPyConnection) -> list[CertificatePart]:
    """Certificates that name works of theirs, newest first."""
    theirs = {
        str(sha256)
        for (sha256,) in connection.execute(
            "SELECT sha256 FROM asset SEMI JOIN their_work ON asset_id = id WHERE permission = 'withdrawn'"
        ).fetchall()
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
    """Claims of theirs and of others on their works, newest first, and how many there are."""
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
            statement=clipped(row["statement"]),
            state=row["state"],
            works=row["works"],
            recorded_at=row["recorded_at"],
            decided_at=row["decided_at"],
            decision_reason=None if row["decision_reason"] is None else clipped(row["decision_reason"]),
        )
        for row, own in sorted(listed, key=lambda each: -each[0]["claim_id"])[:MOST]
    ], total
