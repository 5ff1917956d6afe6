"""The facts of a statement: read once, rendered as page and as JSON, hashed for the stamp.

Within a version a field may be added, none is removed or changes its meaning. Lists are bounded;
beside each is the count of all. Pictures are no facts: a picture lost from the home leaves a gap on
the page and the facts unchanged.
"""

from __future__ import annotations

import datetime
from typing import Literal

from pydantic import Field

from registry.imitations.facts import Counted, Missing
from registry.outputs.grades import Grade
from reports.facts import SYNTHETIC, BasePart, Facts, NotMeasured, OverAllImages, PermissionGround, optional_field

VERSION: Literal[1] = 1


class Count(Facts):
    """How many there are of something."""

    name: str | None = Field(description="Null: not recorded.")
    works: int


class Who(Facts):
    """The rightsholder that the statement is for."""

    id: int
    name: str
    kind: str | None
    identifiers: list[str]
    merged_names: list[str] = Field(description="Other records that were found to be the same rightsholder.")
    represented_by: str | None


class SignalCount(Facts):
    """A machine-readable reservation or permission, and on how many of the works it was found."""

    protocol: str
    category: str
    use: str
    works: int


class WorkItem(Facts):
    """One work; the table of works has all of them, with more about each."""

    asset_id: int
    title: str
    caption: str | None = Field(default=None, description="What it shows, in the words that members may train on.")
    sha256: str | None
    data_set: str
    path: str | None
    licence: str | None
    permission: str
    permission_grounds: list[PermissionGround] = Field(description="What decides the permission now.")
    synthetic: str | None = Field(description=SYNTHETIC)
    permission_at_training: list[str] = Field(
        description="Each different one at the moments when a member that saw it was registered; empty: none saw it."
    )
    members: int = Field(description="Members that saw it, of all generations.")
    probe_of: list[str] | None = optional_field("Encodings that keep it out of all members by choice, as a probe.")
    outputs_tested: int = Field(description="Generated images for which it, or a unit that has it, was tested.")
    outputs_found: int = Field(description="For how many of these it passed the test, as a unit of its own.")
    outputs_group_found: int = Field(
        description="For how many of these a group that it belongs to passed the test, tested as one."
    )
    withdrawn: bool
    missing: bool = Field(description="Whether its file was not found again at the place where it was registered.")


class WorksPart(Facts):
    """All works of the rightsholder, by what the registry says now."""

    total: int
    shared: int = Field(description="Of these, works that have other rightsholders as well.")
    withdrawn: int
    missing: int
    synthetic: int = Field(description="Works whose file says that an AI model made it, wholly or partly.")
    kept_out: int | None = optional_field(
        "Works that no member saw and that an encoding keeps out of all members by choice, as probes."
    )
    permissions: list[Count]
    permissions_at_training: list[Count] = Field(
        description="Of works that some member saw; several are joined by a comma."
    )
    licences: list[Count]
    licences_total: int
    signals: list[SignalCount]
    signals_total: int
    with_signals: int
    listed: list[WorkItem] = Field(description="The first of them: those that passed for images first.")
    table_sha256: str = Field(description="Of the complete table of works, statement-<id>-works.csv.")


class MemberPart(Facts):
    """A member that saw some of the works."""

    id: str
    index: int
    generation: int
    works: int
    state: Literal["in service", "out of service", "replaced"]
    because: str | None = Field(description="Why it is not in service.")
    manifest_sha256: str


class ReferencePart(Facts):
    """A model of all works that ranks candidates and makes no image."""

    works: int
    in_use: bool


class ModelPart(Facts):
    """An ensemble that divides some of the works among its members."""

    ensemble_id: str
    encoding_id: str
    unit_kind: str
    works: int = Field(description="Of the rightsholder's, how many the ensemble divides among its members.")
    members_in_all: int
    members_that_saw: int = Field(description="By index, in their newest generation.")
    in_service: int = Field(description="Members of any kind that make images now.")
    in_service_that_saw: int
    out_of_service_that_saw: int
    members: list[MemberPart]
    reference: ReferencePart | None
    support: list[int] | None = Field(
        description="Where codes nest: indices of the members that works of theirs can be in; null: plain codes."
    )
    base_id: str | None = optional_field("The base model that the members are adapters on, as in bases.")


class IntervalPart(Facts):
    """A figure with its interval."""

    value: float
    low: float
    high: float


class InfluencePart(Facts):
    """How far the image moves when the members that saw the unit are left out."""

    value: float
    method: Literal["exact ablation", "first-order estimate"]


class FoundWork(Facts):
    """A work of theirs in a unit that was tested."""

    asset_id: int
    title: str
    sha256: str | None
    permission: str


class FindingPart(Facts):
    """A unit with works of theirs that passed the test of an image."""

    audit_id: str
    rank: int
    unit_label: str
    unit_kind: str
    unit_works: int
    their_works: int
    works: list[FoundWork] = Field(description="The closest of theirs, at most three.")
    p_value: float
    q_value: float
    grade: Grade | None = Field(
        description="How much the unit matters to the image; null: the audit had no thresholds."
    )
    effect: IntervalPart | NotMeasured
    influence: InfluencePart | NotMeasured
    share: IntervalPart | NotMeasured = Field(description="The unit's share of the image.")


class OutputPart(Facts):
    """An image in which units with works of theirs passed."""

    kind: Literal["sample", "image"]
    id: str
    image_name: str | None
    image_sha256: str
    audit_id: str
    audited_at: datetime.datetime
    ensemble_id: str
    label: str | None = Field(description="The prompt: a text, or the name of a class.")
    false_discovery_rate: float
    tested: int = Field(description="Units that the audit tested in all.")
    passing: int = Field(description="Of these, how many passed, of all rightsholders.")
    findings: list[FindingPart]
    share: IntervalPart | NotMeasured = Field(
        description="Of the image, of all works of theirs that were tested, whether they passed or not. The ends are the "
        "sums of the ends of the works' intervals."
    )
    unattributed: IntervalPart | NotMeasured = Field(description="The part of the image that no tested work has.")


class JointPart(Facts):
    """Their works among the most similar ones, tested together as one, in the newest audit of an
    image.
    """

    output_kind: Literal["sample", "image"]
    output_id: str
    tested_as: str = Field(
        description="Name of the record whose works were tested; that of another one where it was merged since."
    )
    works: int
    p_value: float
    q_value: float
    passes: bool
    chance_to_pass: float = Field(description="Its probability to pass by chance, at most, given the others.")


class TestedPart(Facts):
    """How many images were tested for works of theirs. Each image counts once, by its newest
    audit.
    """

    generated: int = Field(description="Images that the registry records as generated.")
    audited: int = Field(description="Of these, how many were audited.")
    tested: int = Field(description="Of these, in how many a unit with works of theirs was among those tested.")
    found: int = Field(description="Of these, in how many one passed.")
    works_tested: int
    works_found: int = Field(description="Different works that are a unit of their own and passed in some image.")
    groups_tested: int = Field(
        description="Different units of an encoding by groups that have works of theirs and were tested."
    )
    groups_found: int = Field(description="Of these, how many passed in some image.")
    images_audited: int = Field(description="Images from outside that were audited; they are in no other figure.")
    images_tested: int
    images_found: int
    earlier_audits: int = Field(description="Audits of generated images that a newer one of the same image replaced.")
    earlier_found: int = Field(description="Of these, in how many a unit with works of theirs passed.")
    joint_tested: int = Field(description="Generated images in which their works were tested together as one.")
    joint_found: int = Field(description="Of these, in how many one of the tests passed.")
    joint_tests: int = Field(
        description="Tests in these images; more than images where records that were merged since were tested separately."
    )
    findings: int = Field(
        description="Findings in generated images: units with works of theirs that passed, once for each image."
    )
    findings_by_chance: float = Field(
        description="Findings expected by chance, at most, if none of their works had made a difference."
    )
    images_findings: int = Field(description="The same findings in images from outside.")
    images_findings_by_chance: float
    joint_by_chance: float = Field(description="Of joint_tests, how many are expected to pass by chance, at most.")


class FollowedPart(Facts):
    """What a withdrawal did to one ensemble."""

    ensemble_id: str
    concerned: int = Field(description="Members whose codes gave them one of the works.")
    out_of_service: int = Field(description="Of these, how many are out of service now.")
    trained_without: int = Field(description="Of these, how many were trained anew, or first, without the works.")


class CertificatePart(Facts):
    """A certificate that names works of theirs, as the log has it."""

    made_at: datetime.datetime
    ensemble_id: str
    works: int
    document_sha256: str


class WithdrawalPart(Facts):
    """A withdrawal that covers works of theirs."""

    id: int
    scope: Literal["asset", "rightsholder"]
    works: int
    reason: str | None = Field(description="Null: it is about works of others too, and not shown to each of them.")
    recorded_at: datetime.datetime
    followed: list[FollowedPart]


class ClaimPart(Facts):
    """A claim of theirs, or of another claimant on their works."""

    id: int
    theirs: bool
    statement: str | None = Field(description="Null: the claim is of another claimant.")
    state: str
    works: int = Field(description="Works that the claim is about; of another claimant’s claim, those that are theirs.")
    recorded_at: datetime.datetime
    decided_at: datetime.datetime | None
    decision_reason: str | None = Field(description="Null also for the claim of another claimant.")


class ImitationPart(Facts):
    """An audit of images that were made to imitate an artist with works of theirs."""

    imitation_id: str
    made_at: datetime.datetime
    event: int = Field(description="Of the log, which has all facts of the audit.")
    artist: str
    by: str = Field(description="rightsholder, or the column of the works that names the artist.")
    images: int = Field(description="Images that were meant to imitate the artist.")
    method: Literal["zero-shot", "prototype", "probe", "relative"]
    chance: float
    identified: Counted | Missing = Field(description="How many of the images are identified as the artist's.")
    works_identified: Counted | Missing = Field(description="The same for the artist's own works, held out.")
    q_value: float | None = Field(description="Of the rank test over the artists of the audit.")
    more_alike: bool = Field(description="Whether the images pass the rank test. Likeness, not use.")
    said: str
    training_added: str | None = Field(description="What training on the artist added; null: images from outside.")


class StatementFacts(Facts):
    """Everything that a statement says."""

    rightsholder: Who
    verdict: str
    explanation: str
    works: WorksPart
    over_all_images: list[OverAllImages] = Field(
        description="Their works tested together, once over all images of an encoding; empty: no test was made."
    )
    tested: TestedPart
    outputs: list[OutputPart] = Field(description="Images in which their works were found, most certain first.")
    outputs_total: int
    joint: list[JointPart]
    joint_total: int
    models: list[ModelPart]
    members_that_saw_none: int
    withdrawals: list[WithdrawalPart]
    withdrawals_total: int
    certificates: list[CertificatePart]
    claims: list[ClaimPart]
    claims_total: int
    bases: list[BasePart] | None = optional_field(
        "The base models that models of this registry are adapters on, each once, in order of id."
    )
    imitations: list[ImitationPart] | None = Field(
        default=None,
        description="Audits of images that imitate an artist with works of theirs, newest first; left out if there is none.",
        exclude_if=lambda value: value is None,
    )
    gaps: list[str]
    limits: list[str]
