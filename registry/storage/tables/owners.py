"""Rightsholders, terms, claims, reviews, withdrawals and the log. The newest row counts."""

from __future__ import annotations

import datetime

from sqlmodel import Field, SQLModel

from registry.storage.tables.base import BULK, big, json_column, key, timestamp


class Rightsholder(SQLModel, table=True):
    """A person or organisation that owns works, under the name that was stated first."""

    __tablename__ = "rightsholder"
    __table_args__ = BULK

    id: int = key()
    name: str
    created_at: datetime.datetime = timestamp()

    # Current, follows from rightsholder_merge:
    merged_into: int | None = big(nullable=True)
    """The record that this one was merged into, if any; never a merged record itself."""


class RightsholderDetails(SQLModel, table=True):
    """A description of a rightsholder; the newest row counts."""

    __tablename__ = "rightsholder_details"

    id: int = key()
    rightsholder_id: int = big()
    kind: str | None = None
    """``person``, ``organisation``, ``collective``, …"""
    contact: str | None = None
    represented_by: int | None = big(nullable=True)
    """The rightsholder's agent: an agency, a collecting society."""
    note: str | None = None
    recorded_by: str
    recorded_at: datetime.datetime = timestamp()


class RightsholderIdentifier(SQLModel, table=True):
    """An identifier of a rightsholder elsewhere, such as an ISNI."""

    __tablename__ = "rightsholder_identifier"

    id: int = key()
    rightsholder_id: int = big()
    scheme: str
    """``isni``, ``orcid``, ``wikidata``, or an own one."""
    value: str
    recorded_by: str
    recorded_at: datetime.datetime = timestamp()


class RightsholderMerge(SQLModel, table=True):
    """A merge of two records of one rightsholder."""

    __tablename__ = "rightsholder_merge"

    id: int = key()
    merged_id: int = big()
    into_id: int = big()
    reason: str
    recorded_by: str
    recorded_at: datetime.datetime = timestamp()


class Licence(SQLModel, table=True):
    """Terms of use as declared, and as they were understood; see :mod:`registry.licences`."""

    __tablename__ = "licence"
    __table_args__ = BULK

    id: int = key()
    reference: str
    """Verbatim."""
    spdx: str | None = None
    """Normalised SPDX expression; null when the reference was not understood."""
    recognised: bool
    training: str
    """Training under its terms: ``permitted``, ``constrained``, ``prohibited`` or ``unclear``."""
    duties: list[str] = json_column()
    url: str | None = None
    note: str
    created_at: datetime.datetime = timestamp()


class Review(SQLModel, table=True):
    """A decision about training on one work, or all of a rightsholder, licence or data set.

    The newest row per scope and subject counts; one without a permission takes earlier ones back.
    """

    __tablename__ = "review"

    id: int = key()
    scope: str
    """``asset``, ``rightsholder``, ``licence`` or ``data set``."""
    subject_id: int = big()
    permission: str | None = None
    """``permitted``, ``constrained``, ``prohibited``; null: no decision any more."""
    condition: str | None = None
    reason: str
    evidence: str | None = None
    """Such as the number of a contract."""
    recorded_by: str
    recorded_at: datetime.datetime = timestamp()


class Claim(SQLModel, table=True):
    """An assertion that works belong to the claimant."""

    __tablename__ = "claim"

    id: int = key()
    rightsholder_id: int = big()
    """The claimant."""
    statement: str
    evidence: str | None = None
    """A text, or the name of a file."""
    evidence_sha256: str | None = None
    recorded_by: str
    recorded_at: datetime.datetime = timestamp()


class ClaimWork(SQLModel, table=True):
    """A work that a claim is about."""

    __tablename__ = "claim_work"
    __table_args__ = BULK

    id: int = key()
    claim_id: int = big()
    asset_id: int = big()
    matched_by: str
    """``id``, ``sha256`` or ``image``."""
    distance: int | None = None
    """Bits of 256 in which the fingerprints differ, where an image was matched."""


class ClaimDecision(SQLModel, table=True):
    """A decision about a claim; a claim without a row is open, and the newest row counts."""

    __tablename__ = "claim_decision"

    id: int = key()
    claim_id: int = big()
    state: str
    """``accepted``, ``refused``, or ``open`` again."""
    reason: str
    recorded_by: str
    recorded_at: datetime.datetime = timestamp()


class Withdrawal(SQLModel, table=True):
    """A work, or all works of a rightsholder, must no longer have any influence."""

    __tablename__ = "withdrawal"

    id: int = key()
    scope: str
    """``asset`` or ``rightsholder``."""
    subject_id: int = big()
    reason: str
    recorded_by: str
    recorded_at: datetime.datetime = timestamp()


class WithdrawalWork(SQLModel, table=True):
    """A work that a withdrawal covers."""

    __tablename__ = "withdrawal_work"
    __table_args__ = BULK

    id: int = key()
    withdrawal_id: int = big()
    asset_id: int = big()


class Event(SQLModel, table=True):
    """An entry of the log: see :mod:`registry.event_log.events`."""

    __tablename__ = "event"

    sequence: int = key()
    """From 1, without a gap."""
    recorded_at: datetime.datetime = timestamp()
    actor: str
    kind: str
    """Such as ``works registered``, ``rights reviewed``, ``withdrawn``."""
    subject: str
    """Such as ``asset 17`` or ``encoding 3fa2b1c09d11``."""
    before: str | None = Field(default=None)
    """Canonical JSON like ``after`` and ``seals``, as text: the hash is over these very bytes."""
    after: str | None = Field(default=None)
    seals: str
    """The added rows of each table, and a hash over them."""
    previous_sha256: str
    sha256: str
