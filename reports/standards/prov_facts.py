"""What is known of one output's lineage: the models that made it, the works on record as theirs,
and what its audit found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Maker:
    """A model that made the output, or whose predictions the audit compared it with."""

    id: str
    index: int
    generation: int
    origin: str
    weights_sha256: str
    manifest_sha256: str
    merkle_root: str
    works: int | None
    works_sha256: str | None
    withdrawn_through: int | None
    seed: int | None
    versions: dict[str, str]
    trained_at: str | None


@dataclass(frozen=True)
class WorkFacts:
    """A work of a candidate that passed."""

    asset_id: int
    sha256: str | None
    title: str | None
    data_set: str
    path: str | None
    rightsholders: tuple[str, ...]
    licence: str | None
    basis: str | None
    permission: str
    seen_by: tuple[str, ...]
    """Ids of the output's models that were trained on it."""


@dataclass(frozen=True)
class CandidateFacts:
    """A unit that passed the test."""

    rank: int
    unit_number: int
    label: str
    p_value: float
    q_value: float
    statistic: float
    effect: float | None
    effect_low: float | None
    effect_high: float | None
    influence_exact: float | None
    influence_estimate: float | None
    works_in_unit: int
    works: tuple[WorkFacts, ...]
    """All of a unit of one work, else those that the ranking found closest."""


@dataclass(frozen=True)
class Finding:
    """What an audit found."""

    id: str
    created_at: str | None
    ranker: str
    statistic: str
    decoys: int
    false_discovery_rate: float
    smallest_p: float
    tested: int
    versions: dict[str, str]
    members: tuple[Maker, ...]
    passed: tuple[CandidateFacts, ...]


@dataclass(frozen=True)
class Generation:
    """How a sample was made."""

    id: str
    seed: int
    label: str | None
    sampler: dict[str, Any]
    noise_sha256: str
    versions: dict[str, str]
    created_at: str | None
    members: tuple[Maker, ...]


@dataclass(frozen=True)
class OutputFacts:
    """One output, how it came to be, and what was found about it."""

    image_sha256: str
    image_name: str | None
    ensemble_id: str
    encoding_id: str
    unit_kind: str
    unit_column: str | None
    units: int
    n: int
    h: int
    encoding_seed: int
    generation: Generation | None
    """None for an image that was not generated here."""
    finding: Finding | None
