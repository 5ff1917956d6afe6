"""The format of the machine-readable reports, version by version; the JSON Schemas in
``docs/schemas/`` are made from it.

A field may be added under the same version; none is removed or changes its meaning. What was not
measured is an object ``{"not_measured": "reason"}``, never null and never zero.
"""

from __future__ import annotations

import datetime
from typing import Any, Literal

from pydantic import Field

from reports.facts import Facts, NotMeasured
from reports.issuing.stamp import Stamp

VERSION: Literal[1] = 1


class OutputPart(Facts):
    """The image that was audited."""

    kind: Literal["sample", "image"]
    id: str = Field(description="Sample id, or the first 12 digits of the image file's SHA-256.")
    image_name: str | None
    image_sha256: str
    seed: int | None
    label: str | None
    sampler: dict[str, Any] | None
    noise_sha256: str | None
    members_sha256: str | None = Field(description="Hash over the hashes of the members' weights.")
    saturated_fraction: float | None = Field(
        description="Share of the output's values that the final clipping changed."
    )
    generated_at: datetime.datetime | None


class VerdictPart(Facts):
    """What the audit concludes."""

    attributable: bool = Field(description="Whether any unit reached the false discovery rate.")
    sentence: str
    explanation: str
    passing_ranks: list[int]
    taken_back: list[str] = Field(
        description="What became since of the works that it traces to: withdrawn, or prohibited for training."
    )


class RightsPart(Facts):
    """What one source says about a work."""

    rightsholder: str | None
    licence: str | None
    licence_url: str | None
    title: str | None
    creator: str | None
    source_url: str | None
    recorded_from: str
    recorded_at: datetime.datetime


class WorkPart(Facts):
    """A work of a candidate. ``rightsholder`` and ``licence``: as verified, else as declared."""

    asset_id: int
    sha256: str
    data_set: str
    path: str
    title: str
    rightsholder: str | None
    rightsholders: list[str] = Field(description="All that count as its rightsholders now.")
    licence: str | None
    declared: RightsPart | None
    verified: RightsPart | None
    distance: float | None = Field(
        description="Scaled Euclidean distance from the output: similarity, not evidence of use."
    )
    weight: float | None = Field(description="Share of the work in the unit's statistic.")
    licence_duties: list[str] | None = Field(
        description="What the licence that counts asks of users; null: none is on record, or it was not understood."
    )
    permission: str = Field(description="Whether it may be trained on, as the registry has it now.")
    permissions_when_trained: list[str] | NotMeasured = Field(
        description="The same when the members that served and saw it were registered: each that differs once, sorted."
    )


class EffectPart(Facts):
    """How much further the members that saw a unit predict its picture, as a share of the way from
    their mean prediction.
    """

    value: float
    low: float = Field(description="Lower end of the 95 % interval.")
    high: float


class CandidatePart(Facts):
    """A tested unit."""

    rank: int
    unit_number: int
    unit_key: str
    label: str
    code: str = Field(description="The unit's code, member 0 first: 1 where the member trained on it.")
    work_count: int
    passes: bool
    p_value: float
    q_value: float
    statistic: float
    score: float
    effect: EffectPart | NotMeasured
    influence_exact: float | NotMeasured
    influence_estimate: float | NotMeasured
    influence_exact_lpips: float | NotMeasured = Field(
        description="LPIPS, before clipping as the other influences are."
    )
    influence_estimate_lpips: float | NotMeasured
    counterfactual_shown: bool | NotMeasured
    works: list[WorkPart]


class EstimateErrorPart(Facts):
    """Estimates against exact influences of the same units."""

    rank_correlation: float | NotMeasured = Field(description="Spearman's.")
    relative_error: float | NotMeasured = Field(
        description="Length of the difference by length of the exact influences, as vectors over units."
    )
    median_relative_error: float | NotMeasured
    units: int


class LandscapePart(Facts):
    """Influence of all units by one method."""

    method: str
    radius: float
    unit_number: int
    label: str
    members_per_step: int | None = Field(
        description="Members that carried the Jacobian's tangents at each step; null: all of them, or no Jacobian."
    )
    error: EstimateErrorPart | None = Field(description="Of an estimate, where the exact values were measured too.")


class LpipsPart(Facts):
    """What LPIPS was measured with."""

    net: str
    version: str
    weights_sha256: str
    enlarged_to: int | None = Field(description="Side, in pixels, that the images were enlarged to first.")


class MemberScorePart(Facts):
    """Member-LDS of the ranker."""

    value: float
    low: float | None
    high: float | None
    samples: int | None


class MethodPart(Facts):
    """How it was measured."""

    ranker: str
    bandwidth: float | None
    member_lds: MemberScorePart | NotMeasured
    statistic: str
    steps: int | None
    decoys: int
    decoys_available: int | None
    decoys_chosen: str | None = Field(description="``all`` of those available, or ``at random``.")
    effect_method: str | None
    effect_unit: str | None
    smallest_p: float
    smallest_q: float
    false_discovery_rate: float
    settings: dict[str, Any]
    versions: dict[str, Any]
    timings: dict[str, Any] = Field(description="Seconds per stage.")
    evaluation: list[str] = Field(
        description="How good the evidence on this ensemble is, as ``creditline evaluate`` measured."
    )


class MemberPart(Facts):
    """One model of the ensemble."""

    index: int
    id: str
    origin: str
    manifest_sha256: str
    weights_sha256: str


class EnsemblePart(Facts):
    """The models and how works were divided among them."""

    id: str
    encoding_id: str
    unit_kind: str
    unit_column: str | None
    n: int
    h: int
    seed: int
    unit_count: int
    members: list[MemberPart]


class SharePart(Facts):
    """Candidates of one rightsholder or under one licence."""

    name: str
    traced_outputs: int = Field(description="Outputs of which at least one candidate of this name passes.")
    passing: int
    tested: int
    smallest_q: float


class RightsholderTestPart(Facts):
    """One rightsholder's joint test."""

    name: str = Field(description="As the audit had it.")
    counts_as: str | None = Field(description="The record that this one was merged into since; null: it was not.")
    works: int = Field(description="Works tested together.")
    p_value: float
    q_value: float = Field(description="Over the rightsholders that were tested.")
    passes: bool


class RightsholderTestsPart(Facts):
    """Evidence about rightsholders from the codes of their works."""

    method: str
    draws: int
    works: int = Field(description="Works of the ranking among which rightsholders were looked for.")
    tested: list[RightsholderTestPart]


class GapPart(Facts):
    """Something a report lacks."""

    output_id: str
    audit_id: str
    reason: str
    integrity: bool = Field(description="A file is not what the registry recorded.")


class ReportDocument(Facts):
    """One report."""

    creditline: Literal["report"] = "report"
    version: Literal[1] = VERSION
    rendered_at: datetime.datetime
    stamp: Stamp = Field(
        description="Hash of the facts, which are all other fields but these four, and end of the log."
    )
    audit_id: str
    audited_at: datetime.datetime
    artefact_sha256: str
    artefact_state: str
    output: OutputPart
    verdict: VerdictPart
    candidates: list[CandidatePart]
    rightsholders: list[SharePart]
    rightsholder_tests: RightsholderTestsPart | NotMeasured
    influence_exact: LandscapePart | NotMeasured
    influence_estimate: LandscapePart | NotMeasured
    influence_exact_lpips: LandscapePart | NotMeasured
    influence_estimate_lpips: LandscapePart | NotMeasured
    lpips: LpipsPart | NotMeasured
    method: MethodPart
    ensemble: EnsemblePart
    similarity: str = Field(description="What similarity alone is worth on this ensemble.")
    limits: list[str]
    gaps: list[GapPart]


class IndexEntry(Facts):
    """One report among many."""

    output_id: str
    audit_id: str
    html: str = Field(description="File name, beside the index.")
    json_: str = Field(alias="json", description="File name, beside the index.")
    attributable: bool
    sentence: str
    passing: int
    tested: int
    smallest_p: float | None
    smallest_q: float | None
    taken_back: list[str] = Field(description="As in the report's verdict.")


class IndexDocument(Facts):
    """What one run of ``creditline report`` rendered."""

    creditline: Literal["report-index"] = "report-index"
    version: Literal[1] = VERSION
    rendered_at: datetime.datetime
    stamp: Stamp
    reports: list[IndexEntry]
    rightsholders: list[SharePart]
    licences: list[SharePart]
    gaps: list[GapPart]
    not_audited: list[str] = Field(description="Samples that no audit has looked at.")
