"""May we train on a work? One rule, applied to everything on record about it.

The rule, in order:

1. A work that was withdrawn, or whose rightsholder was, is **withdrawn**. Nothing outweighs that.
2. A decision that somebody here took about the work itself stands for it.
3. Otherwise the strictest of what was decided here about its rightsholder, its licence or its source. What was verified
   comes before what was declared, so signals and licence terms do not count where such a decision is.
4. Otherwise the strictest of the rights signals about training (of the file itself, and of its site's newest policies) and
   of its licence's own terms.
5. Where there is none of these, it is **unclear**: nobody has said that it may be used.
6. An open claim makes what would be permitted unclear, until it is decided; it does not outweigh a decision about the
   work itself.

From loosest to strictest: permitted, unclear, constrained, prohibited, withdrawn. A licence that is not understood says
nothing; a signal that leaves the use unspecified says nothing.
"""

from __future__ import annotations

from enum import StrEnum

import duckdb

from registry.signals import TRAINING


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

CURRENT_SIGNALS = """
    SELECT rights_signal.* FROM rights_signal
    WHERE policy_id IS NULL OR policy_id IN (SELECT max(id) FROM site_policy GROUP BY kind, domain)
"""
"""Signals that count: those of a file, and those of the newest policy of its kind for a site."""

CURRENT_REVIEWS = "SELECT * FROM review QUALIFY row_number() OVER (PARTITION BY scope, subject_id ORDER BY id DESC) = 1"
"""The newest decision about each thing; one without a permission takes the earlier ones back."""

CURRENT_CLAIMS = """
    SELECT claim.*, coalesce(decision.state, 'open') AS state, decision.reason AS decision_reason,
        decision.recorded_at AS decided_at, decision.recorded_by AS decided_by
    FROM claim LEFT JOIN (
        SELECT * FROM claim_decision QUALIFY row_number() OVER (PARTITION BY claim_id ORDER BY id DESC) = 1
    ) AS decision ON decision.claim_id = claim.id
"""
"""Claims with what became of them."""

_STRICTNESS_OF = "list_position(['permitted', 'unclear', 'constrained', 'prohibited', 'withdrawn'], {})"

GROUNDS = f"""
    SELECT asset.id AS asset_id, 0 AS tier, 'withdrawn' AS verdict, 'withdrawal' AS kind, withdrawal.id AS source_id,
        CASE scope WHEN 'asset' THEN 'the work was withdrawn: ' ELSE 'its rightsholder withdrew: ' END || withdrawal.reason
            AS reason
    FROM wanted_works JOIN asset ON asset.id = wanted_id
    JOIN withdrawal_work ON withdrawal_work.asset_id = asset.id
    JOIN withdrawal ON withdrawal.id = withdrawal_id
    UNION ALL
    SELECT asset.id, 0, 'withdrawn', 'withdrawal', withdrawal.id, 'its rightsholder had withdrawn: ' || withdrawal.reason
    FROM wanted_works JOIN asset ON asset.id = wanted_id
    JOIN withdrawal ON scope = 'rightsholder'
    JOIN rightsholder ON rightsholder.id = withdrawal.subject_id
    WHERE coalesce(rightsholder.merged_into, rightsholder.id) = asset.rightsholder_id AND NOT EXISTS (
        SELECT 1 FROM withdrawal_work WHERE withdrawal_id = withdrawal.id AND withdrawal_work.asset_id = asset.id
    )
    UNION ALL
    SELECT asset.id, 1, permission_decided, 'review', review.id, 'decided here: ' || review.reason
    FROM wanted_works JOIN asset ON asset.id = wanted_id
    JOIN (SELECT *, permission AS permission_decided FROM ({CURRENT_REVIEWS})) AS review
        ON review.scope = 'asset' AND review.subject_id = asset.id
    WHERE permission_decided IS NOT NULL
    UNION ALL
    SELECT asset.id, 2, permission_decided, 'review', review.id,
        'decided here for its ' || review.scope || ': ' || review.reason
    FROM wanted_works JOIN asset ON asset.id = wanted_id
    JOIN (
        SELECT current_review.*, current_review.permission AS permission_decided,
            CASE scope WHEN 'rightsholder' THEN coalesce(merged_into, subject_id) ELSE subject_id END AS counted_id
        FROM ({CURRENT_REVIEWS}) AS current_review
        LEFT JOIN rightsholder ON scope = 'rightsholder' AND rightsholder.id = subject_id
    ) AS review ON counted_id =
        CASE scope WHEN 'rightsholder' THEN asset.rightsholder_id WHEN 'licence' THEN asset.licence_id
        WHEN 'data set' THEN asset.data_set_id END
    WHERE permission_decided IS NOT NULL
    UNION ALL
    SELECT asset.id, 3, 'unclear', 'claim', claim.id, 'an open claim: ' || claim.statement
    FROM wanted_works JOIN asset ON asset.id = wanted_id
    JOIN claim_work ON claim_work.asset_id = asset.id
    JOIN ({CURRENT_CLAIMS}) AS claim ON claim.id = claim_id AND claim.state = 'open'
    UNION ALL
    SELECT asset.id, 4, CASE signal.use WHEN 'allowed' THEN 'permitted' ELSE signal.use END, 'signal', signal.id,
        signal.protocol || ' in ' || signal.found_in || ' says of ' || signal.category || ': ' || signal.use
            || coalesce(' (' || signal.condition || ')', '')
    FROM wanted_works JOIN asset ON asset.id = wanted_id
    JOIN ({CURRENT_SIGNALS}) AS signal ON signal.asset_id = asset.id
    WHERE signal.use <> 'unspecified' AND signal.category IN ({_TRAINING})
    UNION ALL
    SELECT asset.id, 4, licence.training, 'licence', licence.id, 'licence ' || licence.reference || ': ' || licence.note
    FROM wanted_works JOIN asset ON asset.id = wanted_id
    JOIN licence ON licence.id = asset.licence_id
    WHERE licence.training <> 'unclear'
"""  # noqa: S608 - constants
"""SELECT of every ground for every work of the relation ``wanted_works`` (column ``wanted_id``): tier is the rule's step."""

EFFECTIVE = f"""
    SELECT wanted_id AS asset_id, ['permitted', 'unclear', 'constrained', 'prohibited', 'withdrawn'][
        coalesce(
            max(strictness) FILTER (tier = 0), max(strictness) FILTER (tier = 1),
            greatest(
                coalesce(max(strictness) FILTER (tier = 2), max(strictness) FILTER (tier = 4), 2),
                max(strictness) FILTER (tier = 3)
            )
        )
    ] AS permission
    FROM wanted_works
    LEFT JOIN (SELECT *, {_STRICTNESS_OF.format("verdict")} AS strictness FROM ({GROUNDS})) AS ground
        ON ground.asset_id = wanted_id
    GROUP BY wanted_id
"""  # noqa: S608 - constants
"""SELECT of the effective permission of every work of ``wanted_works``."""


def refresh_permissions(connection: duckdb.DuckDBPyConnection) -> int:
    """Bring ``asset.permission`` up to date for the works of the relation ``wanted_works``; returns how many changed."""
    changed = connection.execute(
        f"UPDATE asset SET permission = effective.permission FROM ({EFFECTIVE}) AS effective "  # noqa: S608 - a constant
        "WHERE asset.id = effective.asset_id AND asset.permission <> effective.permission RETURNING asset.id"
    ).fetchall()
    return len(changed)
