"""Decisions about claims, and their effect on the works.

Accepting a claim appends a verified row of ``asset_rights`` with the claimant as owner. Taking that
back appends the earlier verified rights, so everything stays on record. Of several accepted claims
on a work, the one accepted last counts.

Terms declared by another owner are not the claimant's: a work that changes hands gets the licence
given with the decision, else :data:`NO_LICENCE`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from registry.claims.record import claim_state, claimed_works
from registry.errors import UsageError
from registry.event_log.events import Change, changing
from registry.permissions.derived_columns import recompute
from registry.rightsholders.names import licence_ids
from registry.storage.database import Registry
from registry.storage.tables import ClaimDecision
from registry.text import stated_reason, stated_text
from registry.withdrawals.record import cover_later_works

STATES = ("open", "accepted", "refused")
NO_LICENCE = "NOASSERTION"
"""SPDX's word for unstated terms."""


@dataclass(frozen=True)
class DecisionReport:
    """The effects of a decision."""

    claim_id: int
    state: str
    former_state: str
    works: int
    rows: int
    """Rows appended to asset_rights."""
    permissions_changed: int
    also_claimed: int
    """Works with another claim that is accepted or open."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def decide_claim(
    registry: Registry, claim_id: int, state: str, reason: str, now: datetime, licence: str | None = None
) -> DecisionReport:
    """Accept or refuse a claim, or open it again.

    ``state`` is one of STATES; ``licence``: the claimant's terms, for an accepted claim.

    Raises:
        NotFoundError: unknown claim.
        InputError: no reason.
        UsageError: an unknown state, or the state that the claim has already.
    """
    why = stated_reason(reason)
    terms = stated_text(licence, "licence")
    if state not in STATES:
        raise UsageError(f"got the state {state[:50]!r}, expected one of {', '.join(STATES)}")
    if terms is not None and state != "accepted":
        raise UsageError("--licence is only allowed with 'accepted'; leave it out")
    if state == "accepted":
        cover_later_works(registry, now)  # withdrawals of the former owner stay in force
    with changing(registry, now) as change:
        connection = change.connection
        rightsholder_id, former = claim_state(connection, claim_id)
        if state == former:
            raise UsageError(f"claim {claim_id} is {state} already; nothing to record")
        change.insert(
            ClaimDecision(
                id=change.next_id("claim_decision"),
                claim_id=claim_id,
                state=state,
                reason=why,
                recorded_by=change.actor,
                recorded_at=now,
            )
        )
        works = claimed_works(connection, claim_id)
        connection.register("claimed", pa.table({"claimed_id": works}))
        rows = 0
        if state == "accepted":
            rows = _verify(change, claim_id, rightsholder_id, terms)
        elif former == "accepted":
            rows = _restore(change, claim_id)
        (also,) = connection.execute(_ALSO_CLAIMED, [claim_id]).fetchall()[0]
        connection.unregister("claimed")
        changed = recompute(change, works)
        change.record(
            "claim decided",
            f"claim {claim_id}",
            before={"state": former},
            after={"state": state, "reason": why, "works": len(works), "rows": rows, "licence": terms},
        )
    return DecisionReport(claim_id, state, former, len(works), rows, changed, int(also))


_ALSO_CLAIMED = """
    SELECT count(DISTINCT asset_id) FROM claim_work JOIN claimed ON asset_id = claimed_id
    WHERE claim_id <> ? AND claim_id NOT IN (
        SELECT claim_id FROM claim_decision GROUP BY claim_id HAVING arg_max(state, id) = 'refused'
    )
"""


def _verify(change: Change, claim_id: int, rightsholder_id: int, licence: str | None) -> int:
    """Append verified rows with the claimant as owner; returns how many."""
    numbers = licence_ids(change, {licence or NO_LICENCE})
    given, unknown = numbers.get(licence or ""), numbers.get(NO_LICENCE)
    # If the claimant was the owner already, the terms stay. Titles do not depend on ownership.
    rows = change.connection.execute(
        """
        INSERT INTO asset_rights (id, asset_id, basis, rightsholder_id, licence_id, title, creator, source_url, attributes,
            recorded_from, recorded_by, recorded_at)
        SELECT ? + row_number() OVER (ORDER BY asset.id) - 1, asset.id, 'verified', ?,
            CASE WHEN ?::BIGINT IS NOT NULL THEN ?::BIGINT
                WHEN asset.rightsholder_id = claimant.effective_id THEN verified.licence_id
                ELSE ?::BIGINT END,
            verified.title, verified.creator, verified.source_url, verified.attributes, ?, ?, ?
        FROM claimed JOIN asset ON asset.id = claimed_id
        LEFT JOIN asset_rights AS verified ON verified.id = asset.verified_id
        JOIN effective_rightsholder AS claimant ON claimant.id = ?
        ORDER BY asset.id
        RETURNING id
        """,
        [
            change.next_id("asset_rights"),
            *(rightsholder_id, given, given, unknown, _origin(claim_id), change.actor, change.now, rightsholder_id),
        ],
    ).fetchall()
    return len(rows)


def _restore(change: Change, claim_id: int) -> int:
    """Append the newest verified rights that no unaccepted claim gave; returns the number of rows.

    A work without verified rights gets an empty row, so that its declaration counts again.
    """
    connection = change.connection
    first = change.next_id("asset_rights")
    rows = connection.execute(
        """
        WITH void AS (
            SELECT 'claim ' || claim_id AS origin FROM claim_decision GROUP BY claim_id
            HAVING arg_max(state, id) <> 'accepted'
        ), concerned AS (
            SELECT claimed_id FROM claimed JOIN asset ON asset.id = claimed_id
            JOIN asset_rights AS counting ON counting.id = asset.verified_id
            WHERE counting.recorded_from IN (FROM void)
        ), base AS (
            SELECT asset_id, max(id) AS base_id FROM asset_rights JOIN concerned ON asset_id = claimed_id
            WHERE basis = 'verified' AND recorded_from NOT IN (FROM void) GROUP BY asset_id
        )
        INSERT INTO asset_rights (id, asset_id, basis, rightsholder_id, licence_id, title, creator, source_url, attributes,
            recorded_from, recorded_by, recorded_at)
        SELECT ? + row_number() OVER (ORDER BY claimed_id) - 1, claimed_id, 'verified', former.rightsholder_id,
            former.licence_id, former.title, former.creator, former.source_url, former.attributes,
            coalesce(former.recorded_from, ?), ?, ?
        FROM concerned LEFT JOIN base ON base.asset_id = claimed_id LEFT JOIN asset_rights AS former ON former.id = base_id
        ORDER BY claimed_id
        RETURNING id, asset_id
        """,
        [first, f"{_origin(claim_id)} taken back", change.actor, change.now],
    ).fetchall()
    connection.execute(
        """
        INSERT INTO co_rightsholder (id, rights_id, asset_id, position, rightsholder_id, role, share)
        WITH fresh AS (SELECT id, asset_id, recorded_from FROM asset_rights WHERE id >= ?), former AS (
            SELECT fresh.id AS fresh_id, max(asset_rights.id) AS former_id FROM asset_rights
            JOIN fresh ON fresh.asset_id = asset_rights.asset_id AND fresh.recorded_from = asset_rights.recorded_from
            WHERE basis = 'verified' AND asset_rights.id < ? GROUP BY fresh.id
        )
        SELECT ? + row_number() OVER (ORDER BY fresh_id, position) - 1, fresh_id, asset_id, position, rightsholder_id, role,
            share
        FROM former JOIN co_rightsholder ON rights_id = former_id
        ORDER BY fresh_id, position
        """,
        [first, first, change.next_id("co_rightsholder")],
    )
    return len(rows)


def _origin(claim_id: int) -> str:
    """The origin of rows that an accepted claim adds."""
    return f"claim {claim_id}"
