"""May we train on a work? One rule, applied to everything on record about it.

The rule, in order; each step looks at what is current now:

1. A work that was withdrawn, or one of whose rightsholders withdrew, is **withdrawn**. Nothing
   outweighs that, not even a later change of its owner.
2. A decision that somebody here took about the work itself stands for it.
3. Otherwise the strictest of what was decided here about its rightsholders, its licence or its
   source. What was checked comes before what was declared, so signals and licence terms do not
   count where such a decision is. What one of several rightsholders agreed to binds the others only
   where it was decided for each of them; until then it counts in step 4, and as unclear at best.
4. Otherwise the strictest of the rights signals about training (of the file itself, and of its
   site's newest policies) and of its licence's own terms; a licence that was verified replaces the
   one that was declared. Terms that were not understood are unclear: they may say anything. A
   general reservation is not lifted by leave for a narrower use.
5. An open claim makes what steps 3 and 4 would permit unclear, until it is decided.
6. Where there is none of these, it is **unclear**: nobody has said that it may be used.

From loosest to strictest: permitted, unclear, constrained, prohibited, withdrawn. A signal that
leaves the use unspecified says nothing. Records of rightsholders that were merged count as one, and
the strictest of what was decided for each stands until somebody decides anew; references to a
licence with one SPDX expression count as one licence.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.signals import TRAINING
from registry.storage.current_rights import effective_rights_id
from registry.storage.selection import wanted_works


class Permission(StrEnum):
    """Whether a work may be trained on, from loosest to strictest."""

    PERMITTED = "permitted"
    UNCLEAR = "unclear"
    CONSTRAINED = "constrained"
    PROHIBITED = "prohibited"
    WITHDRAWN = "withdrawn"


STRICTNESS = tuple(Permission)
"""A permission's place is its strictness."""

FORBIDDEN = (Permission.PROHIBITED, Permission.WITHDRAWN)
"""Works that may not be trained on."""

_TRAINING = ", ".join(f"'{category.value}'" for category in sorted(TRAINING))

CURRENT_POLICIES = "SELECT max(id) FROM site_policy GROUP BY kind, domain, subdomains"
"""Ids of the policies that count: the newest of its kind for a host, and for the hosts below it."""

CURRENT_SIGNALS = f"""
    SELECT rights_signal.* FROM rights_signal WHERE policy_id IS NULL OR policy_id IN ({CURRENT_POLICIES})
"""  # noqa: S608 - constants
"""Signals that count: those of a file, and those of its site's newest policies."""

CURRENT_REVIEWS = """
    SELECT review.*, CASE scope
        WHEN 'licence' THEN coalesce(licence.spdx, 'reference ' || licence.reference) ELSE subject_id::VARCHAR
    END AS family
    FROM review LEFT JOIN licence ON scope = 'licence' AND licence.id = subject_id
    QUALIFY row_number() OVER (PARTITION BY scope, family ORDER BY review.id DESC) = 1
"""
"""The newest decision about each thing; one without a permission takes the earlier ones back.
``family`` is what a licence is known by: references with the same SPDX expression are one."""

CURRENT_CLAIMS = """
    SELECT claim.*, coalesce(decision.state, 'open') AS state, decision.reason AS decision_reason,
        decision.recorded_at AS decided_at, decision.recorded_by AS decided_by
    FROM claim LEFT JOIN (
        SELECT * FROM claim_decision QUALIFY row_number() OVER (PARTITION BY claim_id ORDER BY id DESC) = 1
    ) AS decision ON decision.claim_id = claim.id
"""
"""Claims with what became of them."""

# Rightsholders of the row that named the first one: verifying the owner replaces everybody who had
# been declared.
_COMMON = f"""
    works AS MATERIALIZED (
        SELECT asset.id AS asset_id, asset.rightsholder_id, asset.licence_id, asset.data_set_id, asset.declared_id,
            asset.verified_id
        FROM wanted_works JOIN asset ON asset.id = wanted_id
    ),
    further_owners AS MATERIALIZED (
        SELECT DISTINCT works.asset_id, effective_id AS owner_id, works.rightsholder_id AS first_id
        FROM co_rightsholder
        JOIN works ON works.asset_id = co_rightsholder.asset_id
        JOIN effective_rightsholder ON effective_rightsholder.id = co_rightsholder.rightsholder_id
        LEFT JOIN asset_rights AS verified ON verified.id = works.verified_id
        WHERE co_rightsholder.rights_id = {effective_rights_id("works")}
            AND effective_id IS DISTINCT FROM works.rightsholder_id
    ),
    decided AS MATERIALIZED (SELECT * FROM ({CURRENT_REVIEWS}) WHERE permission IS NOT NULL),
    decided_owners AS MATERIALIZED (
        SELECT decided.*, effective_id AS owner_id, stated.name AS owner
        FROM decided JOIN effective_rightsholder AS stated ON scope = 'rightsholder' AND stated.id = subject_id
    ),
    withdrawn_owners AS MATERIALIZED (
        SELECT withdrawal.*, effective_id AS owner_id, stated.name AS owner
        FROM withdrawal JOIN effective_rightsholder AS stated ON scope = 'rightsholder' AND stated.id = subject_id
    ),
    shared_works AS MATERIALIZED (
        SELECT asset_id FROM further_owners
        WHERE owner_id NOT IN (SELECT owner_id FROM decided_owners)
            OR first_id NOT IN (SELECT owner_id FROM decided_owners)
    )
"""  # noqa: S608 - constants


def _owner_reviews(owners: str, owner_id: str) -> str:
    """Grounds from decisions about rightsholders, for one list of a work's owners."""
    agreed = "permission <> 'prohibited' AND shared_works.asset_id IS NOT NULL"
    return f"""
    SELECT {owners}.asset_id, CASE WHEN {agreed} THEN 4 ELSE 3 END,
        CASE WHEN {agreed} AND permission = 'permitted' THEN 'unclear' ELSE permission END, 'review', decided_owners.id,
        'decided here for its rightsholder ' || owner || ': ' || permission || ', ' || reason
            || coalesce(' (' || condition || ')', '')
            || CASE WHEN {agreed} THEN '; not decided for its other rightsholders' ELSE '' END,
        recorded_by, recorded_at
    FROM {owners} JOIN decided_owners ON decided_owners.owner_id = {owner_id}
    LEFT JOIN shared_works ON shared_works.asset_id = {owners}.asset_id
    """  # noqa: S608 - constants


GROUNDS = f"""
    WITH {_COMMON}
    SELECT DISTINCT works.asset_id, 1 AS step, 'withdrawn' AS verdict, 'withdrawal' AS kind, withdrawal.id AS source_id,
        CASE scope WHEN 'asset' THEN 'the work was withdrawn: ' ELSE 'its rightsholder withdrew: ' END || withdrawal.reason
            AS reason, recorded_by AS said_by, recorded_at AS said_at
    FROM works JOIN withdrawal_work ON withdrawal_work.asset_id = works.asset_id
    JOIN withdrawal ON withdrawal.id = withdrawal_id
    UNION ALL
    SELECT owned.asset_id, 1, 'withdrawn', 'withdrawal', withdrawn_owners.id,
        'its rightsholder ' || owner || ' had withdrawn: ' || reason, recorded_by, recorded_at
    FROM (SELECT asset_id, rightsholder_id AS owner_id FROM works UNION ALL SELECT asset_id, owner_id FROM further_owners)
        AS owned
    JOIN withdrawn_owners ON withdrawn_owners.owner_id = owned.owner_id
    ANTI JOIN withdrawal_work AS listed ON listed.withdrawal_id = withdrawn_owners.id AND listed.asset_id = owned.asset_id
    UNION ALL
    SELECT works.asset_id, 2, permission, 'review', decided.id,
        'decided here: ' || permission || ', ' || reason || coalesce(' (' || condition || ')', ''), recorded_by, recorded_at
    FROM works JOIN decided ON scope = 'asset' AND subject_id = works.asset_id
    UNION ALL {_owner_reviews("works", "works.rightsholder_id")}
    UNION ALL {_owner_reviews("further_owners", "further_owners.owner_id")}
    UNION ALL
    SELECT works.asset_id, 3, permission, 'review', decided.id,
        'decided here for its licence ' || licence.reference || ': ' || permission || ', ' || reason
            || coalesce(' (' || condition || ')', ''), recorded_by, recorded_at
    FROM decided JOIN licence ON scope = 'licence' AND coalesce(spdx, 'reference ' || reference) = family
    JOIN works ON works.licence_id = licence.id
    UNION ALL
    SELECT works.asset_id, 3, permission, 'review', decided.id,
        'decided here for its source ' || name || ': ' || permission || ', ' || reason
            || coalesce(' (' || condition || ')', ''), recorded_by, recorded_at
    FROM decided JOIN data_set ON scope = 'data set' AND data_set.id = subject_id
    JOIN works ON works.data_set_id = data_set.id
    UNION ALL
    SELECT works.asset_id, 4, CASE use WHEN 'allowed' THEN 'permitted' ELSE use END, 'signal', signal.id,
        protocol || ' in ' || found_in || ' says of ' || category || ': ' || use || coalesce(' (' || condition || ')', ''),
        found_in, seen_at
    FROM works JOIN ({CURRENT_SIGNALS}) AS signal ON signal.asset_id = works.asset_id
    WHERE use <> 'unspecified' AND category IN ({_TRAINING})
    UNION ALL
    SELECT works.asset_id, 4, training, 'licence', licence.id, 'licence ' || reference || ': ' || note, NULL, NULL
    FROM works JOIN licence ON licence.id = works.licence_id
    UNION ALL
    SELECT DISTINCT works.asset_id, 5, 'unclear', 'claim', claim.id, 'an open claim: ' || statement, recorded_by, recorded_at
    FROM ({CURRENT_CLAIMS}) AS claim JOIN claim_work ON claim_id = claim.id JOIN works ON works.asset_id = claim_work.asset_id
    WHERE claim.state = 'open'
"""  # noqa: S608 - constants
"""SELECT of every ground for every work of the relation ``wanted_works`` (column ``wanted_id``),
with the rule's step."""

_STRICTNESS = (
    "CASE verdict WHEN 'permitted' THEN 1 WHEN 'unclear' THEN 2 WHEN 'constrained' THEN 3 "
    "WHEN 'prohibited' THEN 4 ELSE 5 END"
)

EFFECTIVE = f"""
    SELECT wanted_id AS asset_id, CASE coalesce(found.strictness, 2)
        WHEN 1 THEN 'permitted' WHEN 2 THEN 'unclear' WHEN 3 THEN 'constrained' WHEN 4 THEN 'prohibited' ELSE 'withdrawn'
    END AS permission
    FROM wanted_works LEFT JOIN (
        SELECT asset_id, coalesce(
            max({_STRICTNESS}) FILTER (step = 1), max({_STRICTNESS}) FILTER (step = 2),
            greatest(
                coalesce(max({_STRICTNESS}) FILTER (step = 3), max({_STRICTNESS}) FILTER (step = 4)),
                max({_STRICTNESS}) FILTER (step = 5)
            )
        ) AS strictness
        FROM ({GROUNDS}) GROUP BY asset_id
    ) AS found ON found.asset_id = wanted_id
"""  # noqa: S608 - constants
"""SELECT of the effective permission of every work of ``wanted_works``."""

# A ground decides where its step is the one that counts and no other ground of it is stricter;
# several may, together.
_EXPLAINED = f"""
    WITH ground AS MATERIALIZED ({GROUNDS}),
    effective AS (
        SELECT asset_id, permission, first_step FROM ({EFFECTIVE}) LEFT JOIN (
            SELECT asset_id, min(step) AS first_step FROM ground GROUP BY asset_id
        ) USING (asset_id)
    )
    SELECT asset_id, permission, coalesce(step, 6) AS step, coalesce(verdict, 'unclear') AS verdict,
        coalesce(kind, 'nothing') AS kind, source_id,
        coalesce(reason, 'nothing is on record that says that it may be used') AS reason, said_by, said_at,
        step IS NULL OR (verdict = permission AND (step = first_step OR (first_step >= 3 AND step = 5))) AS decides
    FROM effective LEFT JOIN ground USING (asset_id)
    ORDER BY asset_id, step, {_STRICTNESS} DESC, kind, source_id, reason
"""  # noqa: S608 - constants


def explain(connection: duckdb.DuckDBPyConnection, asset_ids: Sequence[int] | NDArray[np.int64]) -> pa.Table:
    """Why works have their permission: every ground there is, in the order of the rule, and which
    of them decided.

    Returns:
        A row per ground: asset_id, permission (of the work), step, verdict, kind, source_id,
        reason, said_by, said_at, decides. A work about which nothing is on record has one row of
        the last step. By work, step, strictest first.
    """
    with wanted_works(connection, asset_ids):
        return connection.execute(_EXPLAINED).to_arrow_table()
