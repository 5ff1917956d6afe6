"""What a report knows: frozen values, read once by :mod:`reports.outputs.read` and rendered as
often as wanted.

A rendering (page, table, document) is a function of these values and a clock alone. What could not
be measured or found is a :class:`NotMeasured` with its reason, so that no rendering can mistake it
for zero.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reports.facts import NotMeasured
from reports.outputs.work_facts import Work
from reports.rendering.pictures import Picture

LandscapeKind = Literal["exact", "estimate", "exact_lpips", "estimate_lpips"]
Vector = NDArray[np.float64]
UNMEASURED = NotMeasured("the audit did not measure it")


@dataclass(frozen=True)
class Gap:
    """Something that a report lacks. ``integrity``: a file is not what the registry recorded, so
    trust is at stake.
    """

    subject_id: str
    audit_id: str
    reason: str
    integrity: bool


@dataclass(frozen=True)
class Effect:
    """How much further the members that saw a unit predict its picture, with the ends of its 95 %
    interval.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class RightsholderTest:
    """The joint test of a rightsholder's works among those that the ranking puts first."""

    name: str
    """As the audit had it."""
    counts_as: str | None
    """The record that this one was merged into since."""
    works: int
    p_value: float
    q_value: float
    passes: bool


@dataclass(frozen=True)
class RightsholderTests:
    """All rightsholders that were tested, and how."""

    method: str
    draws: int
    works: int
    """Works of the ranking among which they were looked for."""
    tested: tuple[RightsholderTest, ...]


@dataclass(frozen=True)
class Candidate:
    """A unit that was tested, with its evidence. Distances and influences are scaled Euclidean."""

    rank: int
    unit_number: int
    unit_key: str
    label: str
    code: int
    work_count: int
    works: tuple[Work, ...]
    """The closest works of the unit, closest first; at least one, at most a handful."""
    score: float
    statistic: float
    p_value: float
    q_value: float
    passes: bool
    """Whether q is at or under the false discovery rate of the audit."""
    effect: Effect | NotMeasured
    influence_exact: float | NotMeasured
    influence_estimate: float | NotMeasured
    counterfactual: Picture | NotMeasured
    decoys: Vector | NotMeasured
    """Statistics of the decoys: what this candidate's statistic would be under codes that belong to
    nobody."""
    influence_exact_lpips: float | NotMeasured = UNMEASURED
    influence_estimate_lpips: float | NotMeasured = UNMEASURED

    @property
    def rightsholders(self) -> tuple[str, ...]:
        """Of the works listed, sorted, each once; a work may have several."""
        return tuple(sorted({name for work in self.works for name in work.owners}))

    @property
    def licences(self) -> tuple[str, ...]:
        """Of the works listed, sorted, each once."""
        return tuple(sorted({work.licence.text for work in self.works if work.licence}))


@dataclass(frozen=True)
class EstimateError:
    """Estimates against exact influences, over ``units``."""

    rank_correlation: float | NotMeasured
    relative_error: float | NotMeasured
    """Length of the difference by length of the exact influences, as vectors over units."""
    median_relative_error: float | NotMeasured
    units: int


@dataclass(frozen=True)
class LpipsFacts:
    """What LPIPS was measured with."""

    net: str
    version: str
    weights_sha256: str
    enlarged_to: int | None
    """Side, in pixels, that the images were enlarged to first."""


@dataclass(frozen=True)
class Landscape:
    """Influence of every unit by one method; ``radius`` is the largest, reached by the unit
    ``label``.
    """

    method: str
    radius: float
    unit_number: int
    label: str
    influences: Vector | NotMeasured
    """NaN where a unit was not measured."""
    decoys: Vector | NotMeasured
    """The same for codes that belong to nobody."""
    distance: Literal["euclidean", "lpips"] = "euclidean"
    members_per_step: int | None = None
    """How many members carried the Jacobian's tangents at each step; None: all of them, or no
    Jacobian."""
    error: EstimateError | None = None
    """How far these estimates are from the exact values, where both were measured."""


@dataclass(frozen=True)
class MemberScore:
    """Member-LDS of the ranker with its interval, over ``samples`` outputs."""

    value: float
    low: float | None
    high: float | None
    samples: int | None


@dataclass(frozen=True)
class Ranking:
    """Layer 1 of the audit."""

    name: str
    bandwidth: float | None
    member_score: MemberScore | NotMeasured


@dataclass(frozen=True)
class RandomisationTest:
    """Layer 2 of the audit: how the shortlist was tested and what it could resolve."""

    statistic: str
    steps: int | None
    sqrt_alpha_bar: tuple[float, float] | None
    decoys: int
    decoys_available: int | None
    decoys_chosen: str | None
    """``all``, or ``at random``."""
    effect_method: str | None
    effect_unit: str | None
    smallest_p: float
    smallest_q: float
    false_discovery_rate: float
    rightsholders: RightsholderTests | NotMeasured


@dataclass(frozen=True)
class SampleFacts:
    """The generated output and what it takes to generate it again."""

    id: str
    seed: int
    label: str | None
    sampler: Mapping[str, Any]
    noise_sha256: str
    members_sha256: str
    saturated_fraction: float
    versions: Mapping[str, str]
    created_at: datetime.datetime


@dataclass(frozen=True)
class Subject:
    """The image that was audited. ``id`` names its files: the sample's id, or the first digits of
    the image's hash.
    """

    kind: Literal["sample", "image"]
    id: str
    image_name: str | None
    image_sha256: str
    sample: SampleFacts | None
    picture: Picture | NotMeasured


@dataclass(frozen=True)
class MemberFacts:
    """One denoiser of the ensemble, by hash."""

    id: str
    index: int
    origin: str
    manifest_sha256: str
    weights_sha256: str


@dataclass(frozen=True)
class EnsembleFacts:
    """The models behind the audit and how the works were divided among them."""

    id: str
    settings: Mapping[str, Any]
    encoding_id: str
    unit_kind: str
    unit_column: str | None
    n: int
    h: int
    encoding_seed: int
    unit_count: int
    members: tuple[MemberFacts, ...]


@dataclass(frozen=True)
class AuditFacts:
    """Everything that the report of one audit shows."""

    id: str
    created_at: datetime.datetime
    subject: Subject
    ensemble: EnsembleFacts
    attributable: bool
    ranking: Ranking
    test: RandomisationTest
    candidates: tuple[Candidate, ...]
    """In order of rank."""
    exact: Landscape | NotMeasured
    estimate: Landscape | NotMeasured
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    timings: Mapping[str, float]
    artefact_sha256: str
    artefact_state: Literal["intact", "altered", "missing", "unreadable"]
    gaps: tuple[Gap, ...]
    evaluation: tuple[str, ...]
    """How good the evidence on this ensemble is, in sentences."""
    similarity: str
    """What similarity alone is worth on this ensemble, in a sentence."""
    exact_lpips: Landscape | NotMeasured = UNMEASURED
    estimate_lpips: Landscape | NotMeasured = UNMEASURED
    lpips: LpipsFacts | NotMeasured = UNMEASURED

    @property
    def passing(self) -> tuple[Candidate, ...]:
        return tuple(candidate for candidate in self.by_evidence if candidate.passes)

    @property
    def landscapes(self) -> dict[LandscapeKind, Landscape | NotMeasured]:
        """By kind, exact ones first."""
        return {
            "exact": self.exact,
            "estimate": self.estimate,
            "exact_lpips": self.exact_lpips,
            "estimate_lpips": self.estimate_lpips,
        }

    @property
    def by_evidence(self) -> tuple[Candidate, ...]:
        """Those that pass first, then by q, p and rank."""
        return tuple(sorted(self.candidates, key=lambda c: (not c.passes, c.q_value, c.p_value, c.rank)))

    def light(self) -> AuditFacts:
        """The same without the pictures and numbers that only its own page draws, to keep beside
        many others.
        """
        dropped = NotMeasured("left out of this listing")
        return replace(
            self,
            candidates=tuple(
                replace(candidate, counterfactual=dropped, decoys=dropped) for candidate in self.candidates
            ),
            exact=dropped,
            estimate=dropped,
            exact_lpips=dropped,
            estimate_lpips=dropped,
        )
