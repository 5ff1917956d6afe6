"""Views: common questions, answered by name; part of the schema and as stable as the tables.

Each is built from the query that creditline itself uses, so plain SQL gets the answers of the
commands. Filter by ``asset_id`` where there is one: it reaches the tables below.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import duckdb

from registry.metadata.synthetic import AI_PROPERTIES, AI_SOURCES, C2PA_SOURCE
from registry.permissions.rule import CURRENT_CLAIMS, CURRENT_REVIEWS, CURRENT_SIGNALS, GROUNDS
from registry.storage.current_rights import ASSET_RIGHTS, rightsholders_among

# Merges are kept flat: no record is merged into a merged one.
_EFFECTIVE_RIGHTSHOLDER = "SELECT id, name, coalesce(merged_into, id) AS effective_id FROM rightsholder"

_RIGHTS_HISTORY = """
    SELECT asset_rights.asset_id, asset_rights.id AS rights_id, asset_rights.basis,
        coalesce(asset_rights.id IN (asset.declared_id, asset.verified_id), false) AS newest,
        asset_rights.rightsholder_id, rightsholder.name AS rightsholder, licence.reference AS licence,
        asset_rights.title, asset_rights.creator, asset_rights.source_url, asset_rights.attributes,
        asset_rights.recorded_from, asset_rights.recorded_by, asset_rights.recorded_at
    FROM asset_rights
    JOIN asset ON asset.id = asset_rights.asset_id
    LEFT JOIN rightsholder ON rightsholder.id = asset_rights.rightsholder_id
    LEFT JOIN licence ON licence.id = asset_rights.licence_id
"""

_WORKS_BY_PERMISSION = """
    SELECT asset.permission, data_set.name AS data_set, licence.reference AS licence, count(*) AS works,
        coalesce(sum(asset.byte_size), 0)::BIGINT AS bytes
    FROM asset JOIN data_set ON data_set.id = asset.data_set_id LEFT JOIN licence ON licence.id = asset.licence_id
    GROUP BY ALL
"""

_WORKS_BY_RIGHTSHOLDER = """
    SELECT rightsholder.id AS rightsholder_id, rightsholder.name AS rightsholder, count(*) AS works,
        coalesce(sum(asset.byte_size), 0)::BIGINT AS bytes,
        count(*) FILTER (permission = 'permitted') AS permitted, count(*) FILTER (permission = 'unclear') AS unclear,
        count(*) FILTER (permission = 'constrained') AS constrained,
        count(*) FILTER (permission = 'prohibited') AS prohibited,
        count(*) FILTER (permission = 'withdrawn') AS withdrawn
    FROM asset JOIN rightsholder ON rightsholder.id = asset.rightsholder_id
    GROUP BY ALL
"""

_PERMISSION_GROUND = f"""
    WITH selected_works AS NOT MATERIALIZED (SELECT id AS selected_id FROM asset)
    SELECT asset_id, step, verdict, kind, source_id, reason, said_by, said_at FROM ({GROUNDS}) AS ground
"""  # noqa: S608 - constants

_CURRENT_SIGNAL = f"""
    SELECT id, asset_id, protocol, category, use, condition, raw, found_in, policy_id, seen_at FROM ({CURRENT_SIGNALS})
"""  # noqa: S608 - constants

_CURRENT_REVIEW = f"""
    SELECT review.id, review.scope, review.subject_id, CASE review.scope
            WHEN 'rightsholder' THEN rightsholder.name WHEN 'licence' THEN licence.reference
            WHEN 'data set' THEN data_set.name ELSE review.subject_id::VARCHAR END AS subject,
        review.permission, review.condition, review.reason, review.evidence, review.recorded_by, review.recorded_at
    FROM ({CURRENT_REVIEWS}) AS review
    LEFT JOIN rightsholder ON review.scope = 'rightsholder' AND rightsholder.id = review.subject_id
    LEFT JOIN licence ON review.scope = 'licence' AND licence.id = review.subject_id
    LEFT JOIN data_set ON review.scope = 'data set' AND data_set.id = review.subject_id
"""  # noqa: S608 - constants

_CURRENT_CLAIM = f"""
    SELECT claim.id AS claim_id, claim.state, effective_id AS claimant_id, claimant.name AS claimant,
        claim.statement, claim.evidence, claim.evidence_sha256, coalesce(claimed.works, 0) AS works,
        claim.recorded_by, claim.recorded_at, claim.decision_reason, claim.decided_by, claim.decided_at
    FROM ({CURRENT_CLAIMS}) AS claim
    LEFT JOIN effective_rightsholder AS stated ON stated.id = claim.rightsholder_id
    LEFT JOIN rightsholder AS claimant ON claimant.id = effective_id
    LEFT JOIN (SELECT claim_id, count(DISTINCT asset_id) AS works FROM claim_work GROUP BY claim_id) AS claimed
        ON claimed.claim_id = claim.id
"""  # noqa: S608 - constants

_RIGHTSHOLDER_CURRENT = """
    SELECT rightsholder.id AS rightsholder_id, rightsholder.name AS rightsholder, details.kind, details.contact,
        agent.id AS represented_by_id, agent.name AS represented_by, details.note,
        coalesce(identifiers, []) AS identifiers, coalesce(merged_names, []) AS merged_names, rightsholder.created_at
    FROM rightsholder
    LEFT JOIN (
        SELECT * FROM rightsholder_details QUALIFY row_number() OVER (PARTITION BY rightsholder_id ORDER BY id DESC) = 1
    ) AS details ON details.rightsholder_id = rightsholder.id
    LEFT JOIN effective_rightsholder AS stated_agent ON stated_agent.id = details.represented_by
    LEFT JOIN rightsholder AS agent ON agent.id = stated_agent.effective_id
    LEFT JOIN (
        SELECT effective_id, list_sort(list(DISTINCT scheme || ':' || value)) AS identifiers
        FROM rightsholder_identifier
        JOIN effective_rightsholder ON effective_rightsholder.id = rightsholder_identifier.rightsholder_id
        GROUP BY effective_id
    ) AS identified ON identified.effective_id = rightsholder.id
    LEFT JOIN (
        SELECT merged_into, list_sort(list(name)) AS merged_names
        FROM rightsholder WHERE merged_into IS NOT NULL GROUP BY merged_into
    ) AS merged ON merged.merged_into = rightsholder.id
    WHERE rightsholder.merged_into IS NULL
"""

_SYNTHETIC_WORK = f"""
    SELECT asset_id, string_agg(sign, '; ' ORDER BY sign) AS signs FROM (
        SELECT asset_id, 'its digital source type is ' || source AS sign
        FROM (
            SELECT asset_id, unnest(string_split(concat_ws('; ', fields ->> '$.xmp."Iptc4xmpExt:DigitalSourceType"',
                fields ->> '$.c2pa.{C2PA_SOURCE}', digital_source_type), '; ')) AS source
            FROM embedded_metadata WHERE digital_source_type IS NOT NULL
        )
        WHERE regexp_extract(lower(source), '[a-z]*$') IN ({", ".join(f"'{each}'" for each in AI_SOURCES)})
        UNION
        SELECT asset_id, name || ' is ' || (fields ->> ('$.xmp."Iptc4xmpExt:' || name || '"')) AS sign
        FROM embedded_metadata, (SELECT unnest([{", ".join(f"'{each}'" for each in AI_PROPERTIES)}]) AS name)
        WHERE contains(fields::VARCHAR, 'Iptc4xmpExt:AI')
    ) WHERE sign IS NOT NULL GROUP BY asset_id
"""  # noqa: S608 - constants

_WITHDRAWN_WORK = """
    SELECT withdrawal_work.asset_id, withdrawal.id AS withdrawal_id, withdrawal.scope, withdrawal.reason,
        withdrawal.recorded_by, withdrawal.recorded_at
    FROM withdrawal_work JOIN withdrawal ON withdrawal.id = withdrawal_work.withdrawal_id
"""

_ENCODED_WORK = """
    SELECT unit_asset.asset_id, unit_asset.encoding_id, unit_asset.unit_number, unit.label AS unit, unit.code,
        withdrawn.first_withdrawal
    FROM unit_asset
    JOIN unit ON unit.encoding_id = unit_asset.encoding_id AND unit.number = unit_asset.unit_number
    LEFT JOIN (
        SELECT asset_id, min(withdrawal_id) AS first_withdrawal FROM withdrawal_work GROUP BY asset_id
    ) AS withdrawn ON withdrawn.asset_id = unit_asset.asset_id
"""

_TRAINED_MEMBER = """
    SELECT member.id AS member_id, member.ensemble_id, ensemble.encoding_id, member.index AS member_index,
        member.generation, member.generation = max(member.generation) OVER (
            PARTITION BY member.ensemble_id, member.index
        ) AS newest,
        (member.manifest ->> 'withdrawn_through')::BIGINT AS withdrawals_applied_through,
        member.manifest_sha256, member.merkle_root, member.weights_sha256, member.registered_at
    FROM member JOIN ensemble ON ensemble.id = member.ensemble_id
"""

SAW = """
    (code >> member_index::UBIGINT) & 1 = 1
    AND coalesce(first_withdrawal > coalesce(withdrawals_applied_through, -1), true)
"""
"""SQL: whether a ``trained_member`` saw an ``encoded_work`` of its encoding; for arrays:
:func:`registry.members.seen.saw`."""

_MEMBER_WORK = f"""
    SELECT encoded_work.asset_id, encoded_work.encoding_id, encoded_work.unit_number,
        trained_member.ensemble_id, trained_member.member_id, trained_member.member_index,
        trained_member.generation, trained_member.newest
    FROM encoded_work JOIN trained_member ON trained_member.encoding_id = encoded_work.encoding_id
    WHERE {SAW}
"""  # noqa: S608 - constants

# One join: labels and hashes joined to the rows of member_work take four times as long.
_EXPOSURE = f"""
    SELECT encoded_work.asset_id, encoded_work.encoding_id, encoded_work.unit_number, encoded_work.unit,
        trained_member.ensemble_id, trained_member.member_id, trained_member.member_index,
        trained_member.generation, trained_member.newest, trained_member.manifest_sha256,
        trained_member.merkle_root, trained_member.weights_sha256, trained_member.registered_at
    FROM encoded_work JOIN trained_member ON trained_member.encoding_id = encoded_work.encoding_id
    WHERE {SAW}
"""  # noqa: S608 - constants

# By row, never by clock: a clock may have gone backwards between two audits.
_AUDIT_ORDER = """
    SELECT id AS audit_id, row_number() OVER (ORDER BY rowid) AS place,
        row_number() OVER (PARTITION BY coalesce(sample_id, image_sha256) ORDER BY rowid DESC) = 1 AS newest
    FROM audit
"""

_CANDIDATE_BY_RIGHTSHOLDER = """
    SELECT asset.rightsholder_id, rightsholder.name AS rightsholder, candidate.audit_id, audit.ensemble_id,
        audit.subject_kind, audit.sample_id, audit.image_name, candidate.rank, candidate.unit_number, unit.label AS unit,
        count(*) AS works, candidate.p_value, candidate.q_value,
        candidate.q_value <= (audit.settings ->> 'false_discovery_rate')::DOUBLE AS passes, candidate.influence_exact
    FROM candidate
    JOIN audit ON audit.id = candidate.audit_id
    JOIN ensemble ON ensemble.id = audit.ensemble_id
    JOIN unit ON unit.encoding_id = ensemble.encoding_id AND unit.number = candidate.unit_number
    JOIN unit_asset ON unit_asset.encoding_id = unit.encoding_id AND unit_asset.unit_number = unit.number
    JOIN asset ON asset.id = unit_asset.asset_id
    LEFT JOIN rightsholder ON rightsholder.id = asset.rightsholder_id
    GROUP BY ALL
"""

_NEAR_DUPLICATE_ACROSS_RIGHTSHOLDERS = """
    SELECT near_duplicate.asset_id, holder.name AS rightsholder, near_duplicate.other_asset_id,
        other_holder.name AS other_rightsholder, near_duplicate.distance, near_duplicate.found_at
    FROM near_duplicate
    JOIN asset ON asset.id = near_duplicate.asset_id
    JOIN asset AS other ON other.id = near_duplicate.other_asset_id
    LEFT JOIN rightsholder AS holder ON holder.id = asset.rightsholder_id
    LEFT JOIN rightsholder AS other_holder ON other_holder.id = other.rightsholder_id
    WHERE asset.rightsholder_id IS DISTINCT FROM other.rightsholder_id
"""

_BASE = """
    SELECT base_model.id AS base_id, details.name, details.folder, family, prediction, schedule, latents, tokens, variant,
        parts.components, parts.weights, parts.bytes, licence.reference AS licence, licence.spdx AS licence_spdx,
        licence.training AS licence_training, details.source, data_set.name AS trained_on, details.stated_training,
        details.recorded_by, details.recorded_at, base_model.created_at
    FROM base_model
    LEFT JOIN (
        SELECT * FROM base_details QUALIFY row_number() OVER (PARTITION BY base_id ORDER BY number DESC) = 1
    ) AS details ON details.base_id = base_model.id
    LEFT JOIN (
        SELECT base_id, count(*) AS components, sum(weights)::BIGINT AS weights,
            sum(list_sum(from_json(files ->> '$[*].size', '["BIGINT"]')))::BIGINT AS bytes
        FROM base_component GROUP BY base_id
    ) AS parts ON parts.base_id = base_model.id
    LEFT JOIN licence ON licence.id = details.licence_id
    LEFT JOIN data_set ON data_set.id = details.data_set_id
"""

VIEWS: Mapping[str, str] = MappingProxyType(
    {
        "effective_rightsholder": _EFFECTIVE_RIGHTSHOLDER,
        "work": ASSET_RIGHTS,
        "rights_history": _RIGHTS_HISTORY,
        "work_rightsholder": rightsholders_among("asset", "asset_rights"),
        "works_by_permission": _WORKS_BY_PERMISSION,
        "works_by_rightsholder": _WORKS_BY_RIGHTSHOLDER,
        "permission_ground": _PERMISSION_GROUND,
        "current_signal": _CURRENT_SIGNAL,
        "current_review": _CURRENT_REVIEW,
        "current_claim": _CURRENT_CLAIM,
        "open_claim": "SELECT * FROM current_claim WHERE state = 'open'",
        "rightsholder_current": _RIGHTSHOLDER_CURRENT,
        "synthetic_work": _SYNTHETIC_WORK,
        "withdrawn_work": _WITHDRAWN_WORK,
        "encoded_work": _ENCODED_WORK,
        "trained_member": _TRAINED_MEMBER,
        "member_work": _MEMBER_WORK,
        "exposure": _EXPOSURE,
        "base": _BASE,
        "audit_order": _AUDIT_ORDER,
        "candidate_by_rightsholder": _CANDIDATE_BY_RIGHTSHOLDER,
        "near_duplicate_across_rightsholders": _NEAR_DUPLICATE_ACROSS_RIGHTSHOLDERS,
    }
)
"""The SELECT of each view, in order of dependence; docs/schema.md documents them."""


def create_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Create or replace every view. A migration may have changed the tables below them."""
    for name, query in VIEWS.items():
        connection.execute(f"CREATE OR REPLACE VIEW {name} AS {query}")
