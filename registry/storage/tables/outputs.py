"""Encodings, models, generated outputs and audits."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Double, Integer, String
from sqlmodel import Field, SQLModel

from registry.storage.tables.base import BULK, big, json_column, key, timestamp, unsigned


class Encoding(SQLModel, table=True):
    """A choice of unit kind, n, h and seed: it gives every unit its code."""

    __tablename__ = "encoding"

    id: str = key(kind=String)
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
    left_out: dict[str, int] = json_column()
    """Number of works left out, by reason: withdrawn, prohibited, missing, metadata only."""
    created_at: datetime.datetime = timestamp()


class Unit(SQLModel, table=True):
    """A subject of attribution, with its code: bit i (value 2**i) set: member i trains on it."""

    __tablename__ = "unit"
    __table_args__ = BULK

    encoding_id: str = key(kind=String)
    number: int = key()
    """k: the unit's place in the encoding, from 0."""
    key: str
    """Asset id, rightsholder id or the column's value."""
    label: str
    """For people: the work's title or path, the rightsholder's name, or the column's value."""
    code: int = unsigned()


class UnitAsset(SQLModel, table=True):
    """A work of a unit."""

    __tablename__ = "unit_asset"
    __table_args__ = BULK

    encoding_id: str = key(kind=String)
    unit_number: int = key()
    asset_id: int = key()


class EncodingProbe(SQLModel, table=True):
    """A work that an encoding keeps out of all members by choice, as a probe.

    Probes are works of the same kind as the members' works, chosen at random. They show what the
    question *did these models see this very work?* gives for works that no member saw.
    """

    __tablename__ = "encoding_probe"
    __table_args__ = BULK

    encoding_id: str = key(kind=String)
    asset_id: int = key()


class EncodingCodes(SQLModel, table=True):
    """How the codes of an encoding were drawn. An encoding without a row has plain codes of format
    1.
    """

    __tablename__ = "encoding_codes"

    encoding_id: str = key(kind=String)
    code_format: int
    """See ``docs/codes.md``."""
    extends: str | None = None
    """The encoding whose units come first here, with the same codes."""
    within: str | None = None
    """Where codes nest: ``rightsholder``, or the attribute whose values are the groups."""
    support: int | None = None
    """Where codes nest, m: the number of members that may train on a group's works."""
    attempt: int | None = None
    """Where codes nest: number of the draw that gave distinct codes, from 0."""


class UnitGroup(SQLModel, table=True):
    """A group of units whose codes nest in one support. Bit i of it: member i may train on them."""

    __tablename__ = "unit_group"
    __table_args__ = BULK

    encoding_id: str = key(kind=String)
    number: int = key()
    """The group's place in the encoding, from 0, by name."""
    key: str | None = None
    """Rightsholder id or the attribute's value; null: the works without a group."""
    label: str
    """For people: the rightsholder's name or the attribute's value."""
    support: int = unsigned()
    slots: int = big()
    """Number of codes drawn in the support: one for each unit, and room for later ones."""


class UnitSlot(SQLModel, table=True):
    """The code of a unit within its group."""

    __tablename__ = "unit_slot"
    __table_args__ = BULK

    encoding_id: str = key(kind=String)
    unit_number: int = key()
    group_number: int = big()
    place: int = big()
    """Which of the group's codes the unit has, from 0."""


class Ensemble(SQLModel, table=True):
    """The n members of an encoding under one training recipe."""

    __tablename__ = "ensemble"

    id: str = key(kind=String)
    encoding_id: str = Field(foreign_key="encoding.id")
    settings: dict[str, Any] = json_column()
    """The recipe: image size, channels, network, label column, classes, optimisation, seed."""
    created_at: datetime.datetime = timestamp()


class Member(SQLModel, table=True):
    """One trained denoiser with the manifest of its training works."""

    __tablename__ = "member"

    id: str = key(kind=String)
    """``<ensemble>-<index>``, from the second generation on ``<ensemble>-<index>-<generation>``;
    the name of its folder."""
    ensemble_id: str = Field(foreign_key="ensemble.id")
    index: int
    """i: the bit of the codes that this member answers to."""
    generation: int
    """1 for the first; retraining without withdrawn works adds one, and the newest counts."""
    origin: str
    """``trained`` here or ``imported``."""
    manifest: dict[str, Any] = json_column()
    """See :class:`registry.members.manifest.Manifest`."""
    manifest_sha256: str
    merkle_root: str
    """Commitment to its training works; see :mod:`registry.members.merkle`."""
    weights_sha256: str
    registered_at: datetime.datetime = timestamp()


class Sample(SQLModel, table=True):
    """One generated output and all that is needed to generate it again."""

    __tablename__ = "sample"

    id: str = key(kind=String)
    ensemble_id: str = Field(foreign_key="ensemble.id")
    seed: int = Field(sa_column=Column(BigInteger, nullable=False))
    """The exogenous noise is a function of this number alone."""
    label: str | None = None
    """The prompt: a text, or the name of a class; null: no prompt."""
    sampler: dict[str, Any] = json_column()
    """Method, steps, schedule and clipping; guidance and its negative text, if any."""
    members: list[int] = json_column()
    """Indices of the members that served it: all of them, unless works had been withdrawn."""
    members_sha256: str
    """Hash over the weight hashes of the members that served it, in order of index."""
    noise_sha256: str
    image_sha256: str
    """SHA-256 of the PNG file."""
    tensors_sha256: str
    """SHA-256 of the file with the output before clipping and the member predictions."""
    saturated_fraction: float = Field(sa_column=Column(Double, nullable=False))
    """Share of the output's values that the final clipping to the image's range changed."""
    versions: dict[str, str] = json_column()
    """creditline, torch, diffusers, python, platform and device that made it."""
    created_at: datetime.datetime = timestamp()


class Audit(SQLModel, table=True):
    """One audit of an image: method, settings, versions, timings and results."""

    __tablename__ = "audit"

    id: str = key(kind=String)
    ensemble_id: str = Field(foreign_key="ensemble.id")
    subject_kind: str
    """``sample``: generated here, all layers apply. ``image``: any image file, layers 1 and 2."""
    sample_id: str | None = None
    image_name: str | None = None
    """File name of an audited image, as it was given."""
    image_sha256: str
    settings: dict[str, Any] = json_column()
    ranker: dict[str, Any] = json_column()
    """Layer 1: rankers and scales, the fusion for the display, its member-LDS with intervals."""
    test: dict[str, Any] = json_column()
    """Layer 2: statistic, steps summed over, decoys used of decoys there are and their choice,
    smallest possible p and q, the tests of rightsholders where units are works, and the shares of
    the output by candidate with the unattributed part (:mod:`registry.outputs.shares`)."""
    landscape: dict[str, Any] | None = json_column(nullable=True)
    """Influences of all units: method, radius, unit at the radius, what is missing and why; where
    members share a base, also how far the output is from what the base makes alone."""
    attributable: bool
    """Whether any unit reached the false discovery rate of the settings."""
    artefact_sha256: str
    """SHA-256 of ``audits/<id>.safetensors``."""
    versions: dict[str, str] = json_column()
    timings: dict[str, float] = json_column()
    """Seconds per stage."""
    created_at: datetime.datetime = timestamp()


class Candidate(SQLModel, table=True):
    """A unit on an audit's shortlist, with its evidence."""

    __tablename__ = "candidate"

    audit_id: str = key(kind=String)
    rank: int = key(kind=Integer)
    """1 for the shortlisted unit that the chosen fusion puts first."""
    unit_number: int = Field(sa_column=Column(BigInteger, nullable=False))
    score: float = Field(sa_column=Column(Double, nullable=False))
    """The fusion's score, standardised over all units."""
    statistic: float = Field(sa_column=Column(Double, nullable=False))
    """T: how far the members that saw the unit pull the output towards it."""
    p_value: float = Field(sa_column=Column(Double, nullable=False))
    q_value: float = Field(sa_column=Column(Double, nullable=False))
    effect: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    """How much further the members that saw the unit predict its picture: share of the way from the
    mean prediction."""
    effect_low: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    """Ends of the 95 % interval by test inversion: :mod:`attribution.evidence.effect_interval`."""
    effect_high: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    effect_not_measured: str | None = None
    """Why an effect is missing."""
    influence_exact: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    """Scaled distance from the output to its counterfactual by real ablation:
    :mod:`attribution.metrics.euclidean`."""
    influence_estimate: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    """``influence_exact`` from the Jacobian, to first order."""
    influence_exact_lpips: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    """LPIPS between the output and its counterfactual by real ablation."""
    influence_estimate_lpips: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    """LPIPS from the Jacobian through its features, to first order."""
    not_measured: str | None = None
    """Why an influence is missing."""
    lpips_not_measured: str | None = None
    """Why LPIPS is missing."""


class CandidateWork(SQLModel, table=True):
    """The works of a candidate that the ranker found closest, at most a handful per candidate."""

    __tablename__ = "candidate_work"

    audit_id: str = key(kind=String)
    unit_number: int = key()
    position: int = key(kind=Integer)
    """1 for the closest."""
    asset_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    distance: float = Field(sa_column=Column(Double, nullable=False))
    """Scaled Euclidean distance from the audited image: similarity, not evidence of use."""
    weight: float = Field(sa_column=Column(Double, nullable=False))
    """Share of this work in the unit's statistic."""
