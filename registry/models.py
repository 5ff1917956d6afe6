"""The tables. What exists and whose it is, which model saw it, what was generated and what an audit found.

Rows are facts and are appended; what changes over time (who owns a work, under which licence) is a newer row of
:class:`AssetRights`, never an overwritten one. Ids of things that a command makes (encoding, ensemble, sample,
audit) are hashes of the request, see :mod:`registry.ids`, so that running a command again finds its own work.

Why there are so few constraints: in DuckDB a foreign key or a UNIQUE column on a table that is filled in bulk makes
the load several times slower, and a referenced table cannot be updated freely. Tables that hold one row per work or
per unit therefore carry a primary key alone; ingestion removes duplicates by query. The small tables are constrained.

``table=True`` models skip pydantic's validation: input is validated where it enters (:mod:`registry.ingest`,
:mod:`registry.manifests`), not here.
"""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, DateTime, Double, Integer, String
from sqlmodel import Field, SQLModel

from registry.columns import UnsignedBigInteger

SCHEMA_VERSION = 1


def _timestamp() -> Any:  # noqa: ANN401 - as SQLModel's Field
    return Field(sa_column=Column(DateTime(timezone=True), nullable=False))


def _json(*, nullable: bool = False) -> Any:  # noqa: ANN401 - as SQLModel's Field
    return Field(default=None, sa_column=Column(JSON, nullable=nullable))


def _key(*, kind: Any = BigInteger) -> Any:  # noqa: ANN401 - as SQLModel's Field
    """A primary key whose value we choose: DuckDB has no SERIAL, and ids must be known before a bulk load."""
    return Field(sa_column=Column(kind, primary_key=True, autoincrement=False))


class SchemaVersion(SQLModel, table=True):
    """One row per migration that was applied; the largest version is the schema of this file."""

    __tablename__ = "schema_version"

    version: int = _key(kind=Integer)
    applied_at: datetime.datetime = _timestamp()
    applied_by: str
    """Version of creditline that applied it."""


class Rightsholder(SQLModel, table=True):
    """The person or organisation that owns works."""

    __tablename__ = "rightsholder"

    id: int = _key()
    name: str = Field(unique=True)
    contact: str | None = None
    created_at: datetime.datetime = _timestamp()


class Licence(SQLModel, table=True):
    """Terms of use: an SPDX expression or the owner's own reference, as it was declared."""

    __tablename__ = "licence"

    id: int = _key()
    reference: str = Field(unique=True)
    url: str | None = None
    created_at: datetime.datetime = _timestamp()


class DataSet(SQLModel, table=True):
    """A named source of works: one folder, registered once or many times."""

    __tablename__ = "data_set"

    id: int = _key()
    name: str = Field(unique=True)
    root: str
    """Absolute path of the folder; the works' paths are relative to it."""
    created_at: datetime.datetime = _timestamp()


class Asset(SQLModel, table=True):
    """One training work. Identity is its content: the same bytes are one asset, wherever they were found first."""

    __tablename__ = "asset"

    id: int = _key()
    data_set_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    path: str
    """Relative to the data set's root, with forward slashes."""
    sha256: str
    byte_size: int = Field(sa_column=Column(BigInteger, nullable=False))
    media_type: str
    """As read from the file's content, for example ``image/png``."""
    width: int
    height: int
    pixel_mode: str
    """Pillow's mode, for example ``RGB``, ``P`` or ``I;16``."""
    attributes: dict[str, str] = _json()
    """The owner table's further columns; ``encode --unit <column>`` and ``train --label <column>`` use them."""
    registered_at: datetime.datetime = _timestamp()
    missing_since: datetime.datetime | None = Field(
        default=None, sa_column=Column(DateTime(timezone=True), nullable=True)
    )
    """When a registration of its folder no longer found it. Such a work stays on record but joins no new encoding."""


class AssetRights(SQLModel, table=True):
    """Whose a work is and under what terms, according to one source at one time. The newest row per basis counts."""

    __tablename__ = "asset_rights"

    id: int = _key()
    asset_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    basis: str
    """``declared``: as the supplier of the data says. ``verified``: as someone here has checked."""
    rightsholder_id: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    licence_id: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    title: str | None = None
    creator: str | None = None
    """Who made it, where that is not the rightsholder."""
    source_url: str | None = None
    recorded_from: str
    """Where it was read: the owner table's file name, or ``folder name``."""
    recorded_at: datetime.datetime = _timestamp()


class Encoding(SQLModel, table=True):
    """A choice of unit kind, n, h and seed: it gives every unit its code."""

    __tablename__ = "encoding"

    id: str = _key(kind=String)
    unit_kind: str
    """``asset``, ``rightsholder`` or ``column``."""
    unit_column: str | None = None
    """The attribute whose values are the units, where ``unit_kind`` is ``column``."""
    n: int
    """Number of members, at most 64."""
    h: int
    """Number of members that train on each unit."""
    seed: int = Field(sa_column=Column(BigInteger, nullable=False))
    unit_count: int = Field(sa_column=Column(BigInteger, nullable=False))
    created_at: datetime.datetime = _timestamp()


class Unit(SQLModel, table=True):
    """What attribution is asked about, with its code. Bit i of the code (value 2**i) set: member i trains on it."""

    __tablename__ = "unit"

    encoding_id: str = _key(kind=String)
    number: int = _key()
    """k: the unit's place in the encoding, from 0."""
    key: str
    """Asset id, rightsholder id or the column's value."""
    label: str
    """What people call it: the work's title or path, the rightsholder's name, the column's value."""
    code: int = Field(sa_column=Column(UnsignedBigInteger(), nullable=False))


class UnitAsset(SQLModel, table=True):
    """Which assets make up a unit."""

    __tablename__ = "unit_asset"

    encoding_id: str = _key(kind=String)
    unit_number: int = _key()
    asset_id: int = _key()


class Ensemble(SQLModel, table=True):
    """The n members of an encoding under one training recipe."""

    __tablename__ = "ensemble"

    id: str = _key(kind=String)
    encoding_id: str = Field(foreign_key="encoding.id")
    settings: dict[str, Any] = _json()
    """The whole recipe: image size and channels, network, label column and classes, optimisation, seed."""
    created_at: datetime.datetime = _timestamp()


class Member(SQLModel, table=True):
    """One trained denoiser with the manifest of what it saw."""

    __tablename__ = "member"

    id: str = _key(kind=String)
    """``<ensemble>-<index>``, the name of its folder in the home."""
    ensemble_id: str = Field(foreign_key="ensemble.id")
    index: int
    """i: the bit of the codes that this member answers to."""
    origin: str
    """``trained`` here or ``imported``."""
    manifest: dict[str, Any] = _json()
    """See :class:`registry.manifests.Manifest`."""
    manifest_sha256: str
    weights_sha256: str
    registered_at: datetime.datetime = _timestamp()


class Sample(SQLModel, table=True):
    """One generated output and all that is needed to generate it again."""

    __tablename__ = "sample"

    id: str = _key(kind=String)
    ensemble_id: str = Field(foreign_key="ensemble.id")
    seed: int = Field(sa_column=Column(BigInteger, nullable=False))
    """The exogenous noise is a function of this number alone."""
    label: str | None = None
    sampler: dict[str, Any] = _json()
    """Method, steps, schedule and clipping."""
    members_sha256: str
    """Hash over the members' weight hashes, in order of index."""
    noise_sha256: str
    image_sha256: str
    """Of the PNG file."""
    tensors_sha256: str
    """Of the file with the output before clipping and the member contrasts."""
    saturated_fraction: float = Field(sa_column=Column(Double, nullable=False))
    """Share of the output's values that the final clipping to the image's range changed."""
    versions: dict[str, str] = _json()
    """creditline, torch, diffusers, python, platform and device that made it."""
    created_at: datetime.datetime = _timestamp()


class Audit(SQLModel, table=True):
    """One run that asks where an image came from: method, settings, versions, timings and results."""

    __tablename__ = "audit"

    id: str = _key(kind=String)
    ensemble_id: str = Field(foreign_key="ensemble.id")
    subject_kind: str
    """``sample``: generated here, all three layers apply. ``image``: any image file, layers 1 and 2 only."""
    sample_id: str | None = None
    image_name: str | None = None
    """File name of an audited image, as it was given."""
    image_sha256: str
    settings: dict[str, Any] = _json()
    ranker: dict[str, Any] = _json()
    """Layer 1: name, bandwidth, member-LDS with its interval and what it was computed from."""
    test: dict[str, Any] = _json()
    """Layer 2: statistic, steps summed over, decoys used of decoys there are, smallest p and q that were possible."""
    landscape: dict[str, Any] | None = _json(nullable=True)
    """Influences of all units: by which method, radius, unit at the radius, what was not measured and why."""
    attributable: bool
    """Whether any unit reached the false discovery rate of the settings."""
    artefact_sha256: str
    """Of ``audits/<id>.safetensors``."""
    versions: dict[str, str] = _json()
    timings: dict[str, float] = _json()
    """Seconds per stage."""
    created_at: datetime.datetime = _timestamp()


class Candidate(SQLModel, table=True):
    """A unit on an audit's shortlist, with its evidence."""

    __tablename__ = "candidate"

    audit_id: str = _key(kind=String)
    rank: int = _key(kind=Integer)
    """1 for the unit that the ranker put first."""
    unit_number: int = Field(sa_column=Column(BigInteger, nullable=False))
    score: float = Field(sa_column=Column(Double, nullable=False))
    """The ranker's score; only its order means anything."""
    statistic: float = Field(sa_column=Column(Double, nullable=False))
    """T: how far the members that saw the unit pull the output towards it."""
    p_value: float = Field(sa_column=Column(Double, nullable=False))
    q_value: float = Field(sa_column=Column(Double, nullable=False))
    influence_exact: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    """Distance from the output to its counterfactual by real ablation; scaled, see :mod:`attribution.distance`."""
    influence_estimate: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    """The same from the Jacobian, to first order."""
    not_measured: str | None = None
    """Why an influence is missing."""


class CandidateWork(SQLModel, table=True):
    """The works of a candidate that the ranker found closest, at most a handful per candidate."""

    __tablename__ = "candidate_work"

    audit_id: str = _key(kind=String)
    unit_number: int = _key()
    position: int = _key(kind=Integer)
    """1 for the closest."""
    asset_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    distance: float = Field(sa_column=Column(Double, nullable=False))
    """Scaled Euclidean distance from the audited image: similarity, not evidence of use."""
    weight: float = Field(sa_column=Column(Double, nullable=False))
    """Share of this work in the unit's statistic."""
