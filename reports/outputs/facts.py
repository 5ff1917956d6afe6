"""The facts of an output's report and of the index: models for reading and for the JSON.

Within a version a field may be added; none is removed or changes its meaning. An unmeasured figure
is an object ``{"not_measured": "reason"}``, never null or zero. Pictures and curves are no facts;
:mod:`reports.outputs.illustrations` has them.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from pydantic import Field

from registry.outputs.chance import evidence_key
from registry.outputs.grades import Grade
from reports.facts import SYNTHETIC, BasePart, Facts, NotMeasured, OverAllImages, PermissionGround, optional_field
from reports.firmness.facts import Firmness
from reports.seen.facts import Seen

VERSION: Literal[1] = 1
LandscapeKind = Literal["exact", "estimate", "exact_lpips", "estimate_lpips"]


class Stated(NamedTuple):
    """One statement on a work: its value, its basis, and the declaration if different."""

    text: str
    basis: Literal["declared", "verified"]
    declared_instead: str | None = None


class Output(Facts):
    """The image that was audited."""

    kind: Literal["sample", "image"]
    id: str = Field(description="Sample id, or the SHA-256 of an image from outside.")
    image_name: str | None
    image_sha256: str
    seed: int | None
    label: str | None = Field(description="The prompt: a text, or the name of a class.")
    sampler: dict[str, Any] | None
    noise_sha256: str | None
    members_sha256: str | None = Field(description="Hash over the hashes of the members' weights.")
    saturated_fraction: float | None = Field(
        description="Share of the output's values that the final clipping changed."
    )
    generated_at: datetime.datetime | None

    @property
    def generated(self) -> bool:
        """Whether the registry's models made the image; else it is from outside."""
        return self.kind == "sample"


class Verdict(Facts):
    """What the audit concludes."""

    attributable: bool = Field(description="Whether any unit reached the false discovery rate.")
    sentence: str
    explanation: str
    passing_ranks: list[int]
    taken_back: list[str] = Field(
        description="What became since of the works that it traces to: withdrawn, or prohibited for training."
    )


class Rights(Facts):
    """What one source says about a work."""

    rightsholder: str | None
    licence: str | None
    licence_url: str | None
    title: str | None
    creator: str | None
    source_url: str | None
    recorded_from: str
    recorded_at: datetime.datetime


class Work(Facts):
    """A work of a candidate. ``rightsholder`` and ``licence``: as verified, else as declared."""

    asset_id: int
    sha256: str
    data_set: str
    path: str
    title: str
    caption: str | None = Field(
        default=None,
        description="What the work shows, in words: the caption on record now; text-to-image members train on it.",
    )
    caption_source: str | None = Field(default=None, description="Where the caption came from; null without one.")
    rightsholder: str | None
    rightsholders: list[str] = Field(description="All that count as its rightsholders now.")
    licence: str | None
    declared: Rights | None
    verified: Rights | None
    distance: float | None = Field(
        description="Scaled Euclidean distance from the output: similarity, not evidence of use."
    )
    weight: float | None = Field(description="Share of the work in the unit's statistic.")
    licence_duties: list[str] | None = Field(
        description="What the licence that counts asks of users; null: none is on record, or it was not understood."
    )
    permission: str = Field(description="Whether it may be trained on, as the registry has it now.")
    permission_grounds: list[PermissionGround] = Field(description="What decides the permission now.")
    permissions_when_trained: list[str] | NotMeasured = Field(
        description="The same when the members that served and saw it were registered: each that differs once, sorted."
    )
    synthetic: str | None = Field(description=SYNTHETIC)

    def stated(self, what: Literal["rightsholder", "licence", "title", "creator", "source_url"]) -> Stated | None:
        """The verified value before the declared one; both if they differ."""
        verified, declared = (getattr(rights, what) if rights else None for rights in (self.verified, self.declared))
        if verified:
            return Stated(verified, "verified", declared if declared and declared != verified else None)
        return Stated(declared, "declared") if declared else None

    @property
    def licence_url(self) -> str | None:
        """The address of the licence's terms, if the licence's source states it."""
        rights = self.verified if self.verified and self.verified.licence else self.declared
        return rights.licence_url if rights else None

    @property
    def holder(self) -> Stated | None:
        """The first current rightsholder; differs from the stated one after a merge of records."""
        stated = self.stated("rightsholder")
        if stated is None or not self.rightsholders or stated.text in self.rightsholders:
            return stated
        return Stated(self.rightsholders[0], stated.basis, stated.declared_instead or stated.text)


class Effect(Facts):
    """How much further the members that saw a unit predict its picture, as a share of the way from
    their mean prediction.
    """

    value: float
    low: float = Field(description="Lower end of the 95 % interval.")
    high: float


class OutputShare(Facts):
    """A part of the output. The parts of all candidates and the unattributed part sum to 1."""

    value: float
    low: float = Field(description="Lower end of the 95 % interval.")
    high: float


class RightsholderShare(Facts):
    """What the works of one rightsholder have of the output."""

    name: str | None = Field(description="Null: no rightsholder is recorded for the works.")
    share: OutputShare = Field(description="Its ends are the sums of the ends of the works' intervals.")


class OutputShares(Facts):
    """How the output is divided."""

    method: str
    interval: str
    unattributed: OutputShare = Field(
        description="Works that were not tested, the base model, and the randomness of training."
    )
    rightsholders: list[RightsholderShare] = Field(description="Of the tested works, the largest share first.")


class Candidate(Facts):
    """A tested unit."""

    rank: int
    unit_number: int
    unit_key: str
    label: str
    code: str = Field(description="The unit's code, member 0 first: 1 where the member trained on it.")
    support: str | None = Field(
        description="Where codes nest: 1 where the member may train on works of the unit's group; null: plain codes."
    )
    group: str | None = Field(description="Where codes nest: name of the unit's group; null: it has none.")
    work_count: int
    passes: bool
    grade: Grade | None = Field(
        description="How much the unit matters, from q and the lower end of its effect; null: the audit had no thresholds."
    )
    group_number: int | None = Field(
        description="Number of its group of look-alikes, which were tested as one and share the evidence; null: it has none."
    )
    p_value: float
    q_value: float
    statistic: float
    score: float
    effect: Effect | NotMeasured
    influence_exact: float | NotMeasured
    influence_estimate: float | NotMeasured
    influence_exact_lpips: float | NotMeasured = Field(
        description="LPIPS, before clipping as the other influences are."
    )
    influence_estimate_lpips: float | NotMeasured
    counterfactual_shown: bool | NotMeasured
    share: OutputShare | NotMeasured = Field(description="Of the output, see shares.")
    works: list[Work]

    @property
    def seen_by(self) -> list[int]:
        """Indices of the members that trained on the unit, by its code."""
        return [index for index, bit in enumerate(self.code) if bit == "1"]

    @property
    def support_members(self) -> list[int] | None:
        """Indices of the members of its support; None: plain codes."""
        return None if self.support is None else [index for index, bit in enumerate(self.support) if bit == "1"]

    @property
    def rightsholders(self) -> list[str]:
        """Rightsholders of the listed works, sorted, distinct; a work may have several."""
        return sorted({name for work in self.works for name in work.rightsholders})

    @property
    def licences(self) -> list[str]:
        """Licences of the listed works, sorted, distinct."""
        return sorted({work.licence for work in self.works if work.licence})


def by_evidence(candidates: Sequence[Candidate]) -> list[Candidate]:
    """By q, then p, then rank; so passing candidates come first."""
    return sorted(candidates, key=lambda each: evidence_key(each.q_value, each.p_value, each.rank))


class EstimateError(Facts):
    """Estimates against exact influences of the same units."""

    rank_correlation: float | NotMeasured = Field(description="Spearman's.")
    relative_error: float | NotMeasured = Field(
        description="Length of the difference by length of the exact influences, as vectors over units."
    )
    median_relative_error: float | NotMeasured
    units: int


class Landscape(Facts):
    """Influence of all units by one method."""

    method: str
    radius: float
    unit_number: int
    label: str
    members_per_step: int | None = Field(
        description="Members that carried the Jacobian's tangents at each step; null: all of them, or no Jacobian."
    )
    error: EstimateError | None = Field(description="Of an estimate, where the exact values were measured too.")


class Lpips(Facts):
    """What LPIPS was measured with."""

    net: str
    version: str
    weights_sha256: str
    enlarged_to: int | None = Field(description="Side, in pixels, that the images were enlarged to first.")


class MemberScore(Facts):
    """Member-LDS of the ranker."""

    value: float
    low: float | None
    high: float | None
    samples: int | None


class AuditOfImage(Facts):
    """One of the audits of this image."""

    audit_id: str
    audited_at: datetime.datetime
    ranker: str | None
    settings: dict[str, Any]
    newest: bool = Field(description="The newest audit of an image is the one whose findings count.")


class Method(Facts):
    """How it was measured."""

    ranker: str
    bandwidth: float | None
    member_lds: MemberScore | NotMeasured
    searched: list[str] = Field(
        description="How rankers searched very many works, with the recall of an index; empty: all were compared."
    )
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


class Member(Facts):
    """One model of the ensemble."""

    index: int
    id: str
    origin: str
    manifest_sha256: str
    weights_sha256: str


class Ensemble(Facts):
    """The models and how works were divided among them."""

    id: str
    encoding_id: str
    unit_kind: str
    unit_column: str | None
    n: int
    h: int
    seed: int
    unit_count: int
    members: list[Member]
    base: BasePart | None = optional_field("The base model that the members are adapters on.")
    within: str | None = Field(
        description="Where codes nest: `rightsholder`, or the column whose values are the groups; null: plain codes."
    )
    support: int | None = Field(
        description="Where codes nest: the number of members that may train on one group's works."
    )


class BaseAlone(Facts):
    """What the base model makes of the output's noise and prompt without any trained part."""

    distance: float = Field(description="Scaled Euclidean distance from the output, both before clipping.")
    distance_lpips: float | NotMeasured = Field(description="The same as LPIPS.")
    picture_shown: bool | NotMeasured


class Share(Facts):
    """Candidates of one rightsholder or under one licence."""

    name: str
    traced_outputs: int = Field(description="Outputs with at least one passing candidate of this name.")
    passing: int
    tested: int
    smallest_q: float
    expected_by_chance: float = Field(
        description="Passing candidates of this name expected by chance, at most, if none of its works had made a difference."
    )


class RightsholderTest(Facts):
    """One rightsholder's joint test."""

    name: str = Field(description="As the audit had it.")
    counts_as: str | None = Field(description="The record that this one was merged into since; null: it was not.")
    works: int = Field(description="Works tested together.")
    p_value: float
    q_value: float = Field(description="Over the rightsholders that were tested.")
    passes: bool


class RightsholderTests(Facts):
    """Evidence about rightsholders from the codes of their works."""

    method: str
    draws: int
    works: int = Field(description="Works of the ranking among which rightsholders were looked for.")
    tested: list[RightsholderTest]


class Gap(Facts):
    """Something a report lacks."""

    output_id: str
    audit_id: str
    reason: str
    integrity: bool = Field(description="A file is not what the registry recorded.")


class ReportFacts(Facts):
    """One report."""

    audit_id: str
    audited_at: datetime.datetime
    artefact_sha256: str
    artefact_state: str
    output: Output
    verdict: Verdict
    seen: Seen | NotMeasured | None = Field(
        description="Whether the models saw an image from outside itself; null: it was generated here."
    )
    candidates: list[Candidate]
    rightsholders: list[Share]
    rightsholder_tests: RightsholderTests | NotMeasured
    shares: OutputShares | NotMeasured
    influence_exact: Landscape | NotMeasured
    influence_estimate: Landscape | NotMeasured
    influence_exact_lpips: Landscape | NotMeasured
    influence_estimate_lpips: Landscape | NotMeasured
    lpips: Lpips | NotMeasured
    method: Method
    audits_of_image: list[AuditOfImage] = Field(description="The first audits of this image, in order of recording.")
    audits_of_image_total: int
    history: list[str] = Field(description="What was audited, or graded, before this audit.")
    ensemble: Ensemble
    base_alone: BaseAlone | NotMeasured | None = optional_field(
        "What the base alone makes of the same noise: what would have come without any of the works."
    )
    similarity: str = Field(description="What similarity alone is worth on this ensemble.")
    firmness: Firmness | NotMeasured | None = Field(
        default=None,
        description="How small a change of the picture turns the nearest work; missing: `creditline firmness` was not run.",
        exclude_if=lambda value: value is None,
    )
    limits: list[str]
    gaps: list[Gap]

    @property
    def by_evidence(self) -> list[Candidate]:
        """The candidates: passing ones first, then by q, p and rank."""
        return by_evidence(self.candidates)

    @property
    def passing(self) -> list[Candidate]:
        """The passing candidates, best evidence first."""
        return [candidate for candidate in self.by_evidence if candidate.passes]

    @property
    def landscapes(self) -> dict[LandscapeKind, Landscape | NotMeasured]:
        """By kind, exact ones first."""
        return {
            "exact": self.influence_exact,
            "estimate": self.influence_estimate,
            "exact_lpips": self.influence_exact_lpips,
            "estimate_lpips": self.influence_estimate_lpips,
        }


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


class IndexFacts(Facts):
    """What one run of ``creditline report`` rendered."""

    reports: list[IndexEntry]
    over_all_images: list[OverAllImages] = Field(
        description="The first rightsholders, each tested once over all images of an encoding of these reports."
    )
    over_all_images_total: int
    rightsholders: list[Share]
    licences: list[Share]
    gaps: list[Gap]
    not_audited: list[str] = Field(description="Samples without an audit.")
