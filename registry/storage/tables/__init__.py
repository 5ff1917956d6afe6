"""The tables: works and their rights, models trained on them, generated outputs, and audits.

Rows are facts and are appended: a new owner or licence is a newer row, never an overwritten one.
The few columns with the current state are named as such and follow from the rows. Every change is
an event (:mod:`registry.event_log.events`). Ids of encodings, ensembles, samples and audits are
hashes of the request (:mod:`registry.ids`), so that a repeated command finds its own result.

Tables with a row per work or unit (:data:`registry.storage.tables.base.BULK`) have no constraints:
in DuckDB a foreign key, a UNIQUE column or a primary key makes a bulk load several times slower,
and a referenced table cannot be updated freely.

``table=True`` models skip pydantic's validation. Input is validated where it enters
(:mod:`registry.ingest`, :mod:`registry.members.manifest`).
"""

from __future__ import annotations

import datetime

from sqlalchemy import Integer
from sqlmodel import SQLModel

from registry.storage.relation_names import SCHEMA_VERSION
from registry.storage.tables.base import key, timestamp
from registry.storage.tables.bases import BaseComponent, BaseDetails, BaseModel
from registry.storage.tables.log import EventNode, SealPart
from registry.storage.tables.outputs import (
    Audit,
    Candidate,
    CandidateWork,
    Encoding,
    EncodingCodes,
    EncodingProbe,
    Ensemble,
    Member,
    Sample,
    Unit,
    UnitAsset,
    UnitGroup,
    UnitSlot,
)
from registry.storage.tables.owners import (
    Claim,
    ClaimDecision,
    ClaimWork,
    Event,
    Licence,
    Review,
    Rightsholder,
    RightsholderDetails,
    RightsholderIdentifier,
    RightsholderMerge,
    Withdrawal,
    WithdrawalWork,
)
from registry.storage.tables.works import (
    Asset,
    AssetFingerprint,
    AssetRights,
    AssetSignal,
    CoRightsholder,
    DataSet,
    EmbeddedMetadata,
    NearDuplicate,
    SitePolicy,
    WorkCaption,
)


class SchemaVersion(SQLModel, table=True):
    """One row per migration that was applied; the largest version is the schema of this file."""

    __tablename__ = "schema_version"

    version: int = key(kind=Integer)
    applied_at: datetime.datetime = timestamp()
    applied_by: str
    """Version of creditline that applied it."""


__all__ = [
    "SCHEMA_VERSION",
    "Asset",
    "AssetFingerprint",
    "AssetRights",
    "AssetSignal",
    "Audit",
    "BaseComponent",
    "BaseDetails",
    "BaseModel",
    "Candidate",
    "CandidateWork",
    "Claim",
    "ClaimDecision",
    "ClaimWork",
    "CoRightsholder",
    "DataSet",
    "EmbeddedMetadata",
    "Encoding",
    "EncodingCodes",
    "EncodingProbe",
    "Ensemble",
    "Event",
    "EventNode",
    "Licence",
    "Member",
    "NearDuplicate",
    "Review",
    "Rightsholder",
    "RightsholderDetails",
    "RightsholderIdentifier",
    "RightsholderMerge",
    "Sample",
    "SchemaVersion",
    "SealPart",
    "SitePolicy",
    "Unit",
    "UnitAsset",
    "UnitGroup",
    "UnitSlot",
    "Withdrawal",
    "WithdrawalWork",
    "WorkCaption",
]
