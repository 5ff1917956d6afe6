"""May a work be used for training? One rule, applied to everything on record about the work.

The rule has six steps. Each step counts only what is current: the newest review of a subject, the
newest policy of a site, the present rightsholders and licences.

A work may be declared twice and differently: by two rows of a list, by two files with the same
bytes, by two registrations. All these declarations count, in any order, until the rightsholder or
the licence is verified: every declared rightsholder is one of several (step 3), the strictest
declared licence decides (step 4), and a review of one of several licences counts as a review of one
of several rightsholders does. A rightsholder without a licence makes the work unclear, because the
licence of another one is not theirs. So does a source that takes its licence back. A declaration of
another source that states no licence or no rightsholder contradicts nothing.

1. **Withdrawal.** A work is withdrawn if it was withdrawn itself, or if one of its rightsholders
   withdrew their works. Nothing lifts a withdrawal, not even a later change of rightsholder.
2. **Review of the work.** Otherwise a review of the work itself decides.
3. **Reviews of its rightsholders, its licence and its data set.** Otherwise the strictest of these
   reviews decides. Step 4 then does not count: a review outweighs what others declared.
   A review of one of several rightsholders counts in this step if it prohibits, or if every
   rightsholder of the work has a review. Otherwise one rightsholder cannot permit the use of a work
   that belongs to others, too: their permission counts in step 4, as unclear. Their constraint is a
   restriction all the same, and counts in step 5.
4. **Rights signals and licence terms.** Otherwise the strictest of these decides: signals about
   training in the file, signals from the newest policies of its site, and the terms of its licence.
   A verified licence replaces the declared ones. Terms that were not understood count as unclear.
   Leave for a narrow use does not lift a reservation of a wider one.
5. **Restrictions that stay.** Whatever steps 3 and 4 permit, the work is at most as free as these
   allow: an open claim makes it unclear, and a review of one of several rightsholders (step 3) that
   constrains its use holds.
6. **Nothing on record.** Otherwise the work is unclear.

From loosest to strictest: permitted, unclear, constrained, prohibited, withdrawn. A signal that
leaves a use unspecified does not count; one that is not understood makes the use unclear. Merged
records of a rightsholder count as one; each keeps its newest review, and the strictest counts until
the rightsholder is reviewed anew. References to a licence with the same SPDX expression count as
one licence.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from registry.signals import TRAINING
from registry.storage.selection import selected_works

if TYPE_CHECKING:
    import pyarrow as pa


class Permission(StrEnum):
    """Whether a work may be trained on, from loosest to strictest."""

    PERMITTED = "permitted"
    UNCLEAR = "unclear"
    CONSTRAINED = "constrained"
    PROHIBITED = "prohibited"
    WITHDRAWN = "withdrawn"


STRICTNESS = tuple(Permission)
"""Permissions in order of strictness."""

FORBIDDEN = (Permission.PROHIBITED, Permission.WITHDRAWN)
"""Permissions of works that may not be trained on."""

_TRAINING = ", ".join(f"'{category.value}'" for category in sorted(TRAINING))

CURRENT_POLICIES = "SELECT max(id) FROM site_policy GROUP BY kind, domain, subdomains"
"""Ids of the policies that count: the newest of a kind for a host and the hosts below it."""

CURRENT_SIGNALS = f"""
    SELECT rights_signal.* FROM rights_signal
    WHERE policy_id IS NULL OR (policy_id IN ({CURRENT_POLICIES}) AND (protocol <> 'rsl' OR policy_id NOT IN (
        SELECT reference.id FROM site_policy AS reference JOIN site_policy AS document USING (domain, subdomains)
        WHERE reference.kind = 'robots' AND document.kind = 'rsl'
    )))
"""  # noqa: S608 - constants
"""Signals that count: those in the file, and those of its site's newest policies. A reference to an
RSL document in a robots.txt counts until the document itself is recorded."""

CURRENT_REVIEWS = """
    SELECT review.*, CASE scope
        WHEN 'licence' THEN coalesce(licence.spdx, 'reference ' || licence.reference) ELSE subject_id::VARCHAR
    END AS family
    FROM review LEFT JOIN licence ON scope = 'licence' AND licence.id = subject_id
    QUALIFY row_number() OVER (PARTITION BY scope, family ORDER BY review.id DESC) = 1
"""
"""The newest review of each subject; one without a permission takes earlier ones back. Licence
references with the same SPDX expression have one ``family``, and so one review."""

CURRENT_CLAIMS = """
    SELECT claim.*, coalesce(decision.state, 'open') AS state, decision.reason AS decision_reason,
        decision.recorded_at AS decided_at, decision.recorded_by AS decided_by
    FROM claim LEFT JOIN (
        SELECT * FROM claim_decision QUALIFY row_number() OVER (PARTITION BY claim_id ORDER BY id DESC) = 1
    ) AS decision ON decision.claim_id = claim.id
"""
"""Claims with their newest decision."""

_COMMON = f"""
    works AS MATERIALIZED (
        SELECT asset.id AS asset_id, asset.rightsholder_id, asset.licence_id, asset.data_set_id, asset.declared_id,
            asset.verified_id
        FROM selected_works JOIN asset ON asset.id = selected_id
    ),
    -- What was declared about a work, on any occasion. A verified owner or licence replaces all of it.
    -- Few columns of these works alone: a join with all declarations or rightsholders would read all.
    stated AS MATERIALIZED (
        SELECT asset_rights.id, asset_rights.asset_id, basis, asset_rights.rightsholder_id, asset_rights.licence_id,
            works.verified_id
        FROM asset_rights JOIN works ON works.asset_id = asset_rights.asset_id
    ),
    statements AS MATERIALIZED (
        SELECT stated.asset_id, stated.id AS rights_id, effective_id AS owner_id, stated.licence_id,
            verified.rightsholder_id IS NULL AS owner_counts, verified.licence_id IS NULL AS licence_counts
        FROM stated
        LEFT JOIN stated AS verified ON verified.id = stated.verified_id
        LEFT JOIN (
            SELECT id, effective_id FROM effective_rightsholder WHERE id IN (SELECT rightsholder_id FROM stated)
        ) AS holder ON holder.id = stated.rightsholder_id
        WHERE stated.basis <> 'verified'
    ),
    further_owners AS MATERIALIZED (
        SELECT DISTINCT owners.asset_id, owner_id, works.rightsholder_id AS first_id FROM (
            SELECT asset_id, owner_id FROM statements WHERE owner_counts AND owner_id IS NOT NULL
            UNION ALL
            SELECT co_rightsholder.asset_id, effective_id
            FROM co_rightsholder
            JOIN (
                SELECT rights_id FROM statements WHERE owner_counts UNION ALL SELECT verified_id FROM works
            ) AS counting ON counting.rights_id = co_rightsholder.rights_id
            JOIN effective_rightsholder ON effective_rightsholder.id = co_rightsholder.rightsholder_id
        ) AS owners JOIN works ON works.asset_id = owners.asset_id WHERE owner_id IS DISTINCT FROM works.rightsholder_id
    ),
    licences AS MATERIALIZED (
        SELECT asset_id, licence_id FROM works WHERE licence_id IS NOT NULL
        UNION
        SELECT asset_id, licence_id FROM statements WHERE licence_counts AND licence_id IS NOT NULL
    ),
    -- What one owner grants, another one does not: the newest statement about each owner counts.
    owners_without_licence AS MATERIALIZED (
        SELECT asset_id, owner_id FROM statements
        WHERE owner_counts AND licence_counts AND owner_id IS NOT NULL AND asset_id IN (SELECT asset_id FROM licences)
        GROUP BY asset_id, owner_id HAVING arg_max_null(licence_id, rights_id) IS NULL
        -- The newest declaration has none, for whichever owner: it took an earlier one back.
        UNION SELECT asset_id, rightsholder_id FROM works
        WHERE licence_id IS NULL AND asset_id IN (SELECT asset_id FROM licences)
    ),
    reviewed AS MATERIALIZED (SELECT * FROM ({CURRENT_REVIEWS}) WHERE permission IS NOT NULL),
    reviewed_owners AS MATERIALIZED (
        SELECT reviewed.*, effective_id AS owner_id, stated.name AS owner
        FROM reviewed JOIN effective_rightsholder AS stated ON scope = 'rightsholder' AND stated.id = subject_id
    ),
    withdrawn_owners AS MATERIALIZED (
        SELECT withdrawal.*, effective_id AS owner_id, stated.name AS owner
        FROM withdrawal JOIN effective_rightsholder AS stated ON scope = 'rightsholder' AND stated.id = subject_id
    ),
    partly_reviewed_works AS MATERIALIZED (
        SELECT asset_id FROM further_owners
        WHERE owner_id NOT IN (SELECT owner_id FROM reviewed_owners)
            OR first_id IS NULL OR first_id NOT IN (SELECT owner_id FROM reviewed_owners)
    ),
    partly_reviewed_licences AS MATERIALIZED (
        SELECT asset_id FROM licences JOIN licence ON licence.id = licence_id
        WHERE coalesce(spdx, 'reference ' || reference) NOT IN (SELECT family FROM reviewed WHERE scope = 'licence')
        UNION SELECT asset_id FROM owners_without_licence
    )
"""  # noqa: S608 - constants


_DECIDED = (
    "permission || ', ' || reason || coalesce(' (' || condition || ')', '') || coalesce('; evidence: ' || evidence, '')"
)
"""SQL for a review: decision, reason, condition, and evidence such as the number of a contract."""


def _reviews_of_one(subject: str, name: str, partly_reviewed: str, several: str) -> str:
    """The columns of a ground from the review of one rightsholder or licence of a work.

    ``partly_reviewed`` is a relation of the works with others that have no review: there, the
    review cannot permit the use, but its restriction holds.
    """
    partial = f"permission <> 'prohibited' AND {partly_reviewed}.asset_id IS NOT NULL"
    return f"""
        CASE WHEN NOT ({partial}) THEN 3 WHEN permission = 'permitted' THEN 4 ELSE 5 END,
        CASE WHEN {partial} AND permission = 'permitted' THEN 'unclear' ELSE permission END, 'review', {subject}.id,
        'review of its {name} || ': ' || {_DECIDED}
            || CASE WHEN {partial} THEN '; not every {several} has a review' ELSE '' END,
        recorded_by, recorded_at
    """


def _owner_reviews(owners: str, owner_id: str) -> str:
    """SELECT of the grounds from reviews of rightsholders, over a relation of works and owners."""
    columns = _reviews_of_one(
        "reviewed_owners", "rightsholder ' || owner", "partly_reviewed_works", "rightsholder of the work"
    )
    return f"""
    SELECT {owners}.asset_id, {columns}
    FROM {owners} JOIN reviewed_owners ON reviewed_owners.owner_id = {owner_id}
    LEFT JOIN partly_reviewed_works ON partly_reviewed_works.asset_id = {owners}.asset_id
    """  # noqa: S608 - constants


_LICENCE_REVIEWS = f"""
    SELECT licences.asset_id, {
    _reviews_of_one(
        "reviewed", "licence ' || licence.reference", "partly_reviewed_licences", "licence stated for the work"
    )
}
    FROM reviewed JOIN licence ON scope = 'licence' AND coalesce(spdx, 'reference ' || reference) = family
    JOIN licences ON licences.licence_id = licence.id
    LEFT JOIN partly_reviewed_licences ON partly_reviewed_licences.asset_id = licences.asset_id
"""  # noqa: S608 - constants


GROUNDS = f"""
    WITH {_COMMON}
    SELECT DISTINCT works.asset_id, 1 AS step, 'withdrawn' AS verdict, 'withdrawal' AS kind, withdrawal.id AS source_id,
        CASE scope WHEN 'asset' THEN 'the work was withdrawn: ' ELSE 'its rightsholder withdrew their works: ' END
            || withdrawal.reason AS reason, recorded_by AS said_by, recorded_at AS said_at
    FROM works JOIN withdrawal_work ON withdrawal_work.asset_id = works.asset_id
    JOIN withdrawal ON withdrawal.id = withdrawal_id
    UNION ALL
    SELECT owned.asset_id, 1, 'withdrawn', 'withdrawal', withdrawn_owners.id,
        'its rightsholder ' || owner || ' withdrew their works: ' || reason, recorded_by, recorded_at
    FROM (SELECT asset_id, rightsholder_id AS owner_id FROM works UNION ALL SELECT asset_id, owner_id FROM further_owners)
        AS owned
    JOIN withdrawn_owners ON withdrawn_owners.owner_id = owned.owner_id
    ANTI JOIN withdrawal_work AS listed ON listed.withdrawal_id = withdrawn_owners.id AND listed.asset_id = owned.asset_id
    UNION ALL
    SELECT works.asset_id, 2, permission, 'review', reviewed.id,
        'review of the work: ' || {_DECIDED}, recorded_by, recorded_at
    FROM works JOIN reviewed ON scope = 'asset' AND subject_id = works.asset_id
    UNION ALL {_owner_reviews("works", "works.rightsholder_id")}
    UNION ALL {_owner_reviews("further_owners", "further_owners.owner_id")}
    UNION ALL {_LICENCE_REVIEWS}
    UNION ALL
    SELECT works.asset_id, 3, permission, 'review', reviewed.id,
        'review of its data set ' || name || ': ' || {_DECIDED}, recorded_by, recorded_at
    FROM reviewed JOIN data_set ON scope = 'data set' AND data_set.id = subject_id
    JOIN works ON works.data_set_id = data_set.id
    UNION ALL
    SELECT works.asset_id, 4, CASE use WHEN 'allowed' THEN 'permitted' ELSE use END, 'signal', signal.id,
        CASE protocol WHEN 'words' THEN 'the file''s ' || found_in || ': ' || raw
            ELSE protocol || ' in ' || found_in || ': ' || category || ' is ' || use
                || coalesce(' (' || condition || ')', '') END,
        found_in, seen_at
    FROM works JOIN ({CURRENT_SIGNALS}) AS signal ON signal.asset_id = works.asset_id
    WHERE use <> 'unspecified' AND category IN ({_TRAINING})
    UNION ALL
    SELECT licences.asset_id, 4, CASE WHEN training = 'permitted' AND NOT recognised THEN 'unclear' ELSE training END,
        'licence', licence.id,
        CASE WHEN licence.id IS DISTINCT FROM works.licence_id THEN 'another statement about the work: ' ELSE '' END
            || 'licence ' || reference || ': ' || note, NULL, NULL
    FROM licences JOIN works ON works.asset_id = licences.asset_id JOIN licence ON licence.id = licences.licence_id
    UNION ALL
    SELECT asset_id, 4, 'unclear', 'licence', NULL,
        'the newest statement ' || coalesce('for ' || name || ' ', '') || 'has no licence', NULL, NULL
    FROM owners_without_licence LEFT JOIN (
        SELECT id, name FROM rightsholder WHERE id IN (SELECT owner_id FROM owners_without_licence)
    ) AS holder ON holder.id = owner_id
    UNION ALL
    SELECT DISTINCT works.asset_id, 5, 'unclear', 'claim', claim.id, 'open claim: ' || statement, recorded_by, recorded_at
    FROM ({CURRENT_CLAIMS}) AS claim JOIN claim_work ON claim_id = claim.id JOIN works ON works.asset_id = claim_work.asset_id
    WHERE claim.state = 'open'
"""  # noqa: S608 - constants
"""SELECT of every ground, with its step, of every work of ``selected_works`` (``selected_id``)."""

_STRICTNESS = (
    "CASE verdict WHEN 'permitted' THEN 1 WHEN 'unclear' THEN 2 WHEN 'constrained' THEN 3 "
    "WHEN 'prohibited' THEN 4 ELSE 5 END"
)


def _effective(grounds: str) -> str:
    """SELECT of the effective permission of every work of ``selected_works`` by these grounds."""
    return f"""
    SELECT selected_id AS asset_id, CASE coalesce(found.strictness, 2)
        WHEN 1 THEN 'permitted' WHEN 2 THEN 'unclear' WHEN 3 THEN 'constrained' WHEN 4 THEN 'prohibited' ELSE 'withdrawn'
    END AS permission, first_step
    FROM selected_works LEFT JOIN (
        SELECT asset_id, min(step) AS first_step, coalesce(
            max({_STRICTNESS}) FILTER (step = 1), max({_STRICTNESS}) FILTER (step = 2),
            greatest(
                coalesce(max({_STRICTNESS}) FILTER (step = 3), max({_STRICTNESS}) FILTER (step = 4)),
                max({_STRICTNESS}) FILTER (step = 5)
            )
        ) AS strictness
        FROM {grounds} GROUP BY asset_id
    ) AS found ON found.asset_id = selected_id
    """  # noqa: S608 - constants


EFFECTIVE = f"SELECT asset_id, permission FROM ({_effective(f'({GROUNDS})')})"  # noqa: S608 - constants
"""SELECT of the effective permission of every work of ``selected_works``."""

# A ground decides if its step counts and its verdict is the work's permission. Several may decide.
EXPLAINED = f"""
    WITH ground AS MATERIALIZED ({GROUNDS})
    SELECT asset_id, permission, coalesce(step, 6) AS step, coalesce(verdict, 'unclear') AS verdict,
        coalesce(kind, 'nothing') AS kind, source_id,
        coalesce(reason, 'nothing on record permits its use') AS reason, said_by, said_at,
        step IS NULL OR (verdict = permission AND (step = first_step OR (first_step >= 3 AND step = 5))) AS decides
    FROM ({_effective("ground")}) AS effective LEFT JOIN ground USING (asset_id)
"""  # noqa: S608 - constants
"""SELECT of every ground of every work of ``selected_works``, and whether it decides."""

_IN_ORDER = f"{EXPLAINED} ORDER BY asset_id, step, {_STRICTNESS} DESC, kind, source_id, reason"


def explain(connection: duckdb.DuckDBPyConnection, asset_ids: Sequence[int] | NDArray[np.int64]) -> pa.Table:
    """Why works have their permission: all grounds in the rule's order, and which of them decide.

    Returns:
        A row per ground: asset_id, permission (of the work), step, verdict, kind, source_id,
        reason, said_by, said_at, decides. Sorted by work, then step, then the strictest first. A
        work with nothing on record has one row, of step 6.
    """
    with selected_works(connection, asset_ids):
        return connection.execute(_IN_ORDER).to_arrow_table()


def deciding_grounds(
    connection: duckdb.DuckDBPyConnection, asset_ids: Sequence[int] | NDArray[np.int64]
) -> dict[int, list[dict[str, Any]]]:
    """By work, the grounds that decide its permission: kind, source_id, verdict, reason, said_at.

    No work is without one: where nothing is on record, the ground says so.
    """
    found: dict[int, list[dict[str, Any]]] = {}
    for ground in explain(connection, asset_ids).to_pylist():
        if ground["decides"]:
            named = {name: ground[name] for name in ("kind", "source_id", "verdict", "reason", "said_at")}
            found.setdefault(int(ground["asset_id"]), []).append(named)
    return found
