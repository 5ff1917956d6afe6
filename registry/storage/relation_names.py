"""The schema's version, tables and views by name. Without the models, opening stays fast."""

from __future__ import annotations

SCHEMA_VERSION = 9
"""Schemas 1 and 2 were those of the versions before the first release; no step leads from there."""

TABLES = frozenset(
    {
        "asset",
        "asset_rights",
        "audit",
        "base_component",
        "base_details",
        "base_model",
        "candidate",
        "candidate_work",
        "caption",
        "claim",
        "claim_decision",
        "claim_work",
        "co_rightsholder",
        "data_set",
        "embedded_metadata",
        "encoding",
        "encoding_codes",
        "encoding_probe",
        "ensemble",
        "event",
        "event_node",
        "fingerprint",
        "licence",
        "member",
        "near_duplicate",
        "review",
        "rights_signal",
        "rightsholder",
        "rightsholder_details",
        "rightsholder_identifier",
        "rightsholder_merge",
        "sample",
        "schema_version",
        "seal_part",
        "site_policy",
        "unit",
        "unit_asset",
        "unit_group",
        "unit_slot",
        "withdrawal",
        "withdrawal_work",
    }
)
"""Names of the tables of :mod:`registry.storage.tables`."""

VIEWS = frozenset(
    {
        "audit_order",
        "base",
        "candidate_by_rightsholder",
        "current_claim",
        "current_review",
        "current_signal",
        "effective_rightsholder",
        "encoded_work",
        "exposure",
        "member_work",
        "near_duplicate_across_rightsholders",
        "open_claim",
        "permission_ground",
        "rights_history",
        "rightsholder_current",
        "synthetic_work",
        "trained_member",
        "withdrawn_work",
        "work",
        "work_rightsholder",
        "works_by_permission",
        "works_by_rightsholder",
    }
)
"""Names of the views of :mod:`registry.schema.views`."""
