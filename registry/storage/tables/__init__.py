"""The tables: works and their rights, models trained on them, generated outputs, and audits.

Rows are facts and are appended. A change over time (of a work's owner or licence) is a newer row,
never an overwritten one. The few columns that hold the current state are named as such and follow
from the rows. Every change is an event in a hash-chained log that seals the rows it added, see
:mod:`registry.event_log.events`. Ids of things that a command makes (encoding, ensemble, sample,
audit) are hashes of the request, see :mod:`registry.ids`, so that a repeated command finds its own
work.

There are few constraints: in DuckDB a foreign key, a UNIQUE column or a primary key on a table that
is filled in bulk makes the load several times slower, and a referenced table cannot be updated
freely. Tables with a row per work or unit therefore have none, see
:data:`registry.storage.tables.base.BULK`; the small ones do.

``table=True`` models skip pydantic's validation. Input is validated where it enters
(:mod:`registry.ingest`, :mod:`registry.members.manifest`).
"""

from __future__ import annotations

import datetime

from sqlalchemy import Integer
from sqlmodel import SQLModel

from registry.storage.relation_names import SCHEMA_VERSION
from registry.storage.tables.base import key, timestamp
from registry.storage.tables.outputs import (
    Audit,
    Candidate,
    CandidateWork,
    Encoding,
    Ensemble,
    Member,
    Sample,
    Unit,
    UnitAsset,
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
    "Candidate",
    "CandidateWork",
    "Claim",
    "ClaimDecision",
    "ClaimWork",
    "CoRightsholder",
    "DataSet",
    "EmbeddedMetadata",
    "Encoding",
    "Ensemble",
    "Event",
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
    "SitePolicy",
    "Unit",
    "UnitAsset",
    "Withdrawal",
    "WithdrawalWork",
]
