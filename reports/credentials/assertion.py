"""creditline's own assertion in a signed image: its newest audit, the works listed, the evidence.

The assertion is not a list of ingredients: in C2PA an ingredient was used to make the image, while
an audit estimates influence, and tests it against chance. As an ingredient, the estimate would
become a claim of use, and every viewer of Content Credentials would show it as a fact.

    {"label": LABEL, "data": Assertion(...).model_dump(mode="json")}
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from registry.outputs.grades import Grade
from reports.facts import SYNTHETIC, NotMeasured, optional_field
from reports.issuing.stamp import Stamp
from reports.outputs.facts import Effect

LABEL = "org.creditline.audit"
"""C2PA gives labels of a first version no number; a second version would end in ``.v2``."""
VERSION: Literal[1] = 1
KIND = "signed image"
"""The kind of document, in stamps and in the log."""


class Claimed(BaseModel):
    """Any part of the assertion. Unknown fields are ignored: a later release may add some."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class GroundClaim(Claimed):
    """A ground that decides a work's permission."""

    kind: str
    decision: str
    reason: str
    said_at: str | None


class WorkClaim(Claimed):
    """A registered work; its rights as verified, else as declared."""

    sha256: str
    title: str
    rightsholder: str | None = Field(description="The first, where it has several.")
    rightsholders: list[str] = Field(description="All that count now, the first stated first; very many are cut.")
    rightsholders_in_all: int
    rightsholder_basis: str | None
    licence: str | None
    licence_basis: str | None
    licence_url: str | None
    permission: str = Field(description="Whether it may be trained on, as the registry had it at signing.")
    permission_grounds: list[GroundClaim] = Field(
        default=[], description="What decides the permission: a licence, a review with its evidence; very many are cut."
    )
    synthetic: str | None = Field(default=None, description=SYNTHETIC)


class CandidateClaim(Claimed):
    """A unit that was tested, with its evidence."""

    rank: int
    label: str
    passes: bool = Field(description="Whether q is at or under the false discovery rate.")
    p: float
    q: float
    statistic: float
    grade: Grade | None = Field(
        default=None, description="How much the unit matters; null: the audit was made by a version without grades."
    )
    group_number: int | None = Field(
        default=None, description="Number of its group of look-alikes, which share the evidence; null: it has none."
    )
    effect: Effect | NotMeasured
    influence_exact: float | NotMeasured
    influence_estimate: float | NotMeasured
    works_in_unit: int
    works: list[WorkClaim] = Field(description="Those of the unit that the ranking found closest.")


class MethodClaim(Claimed):
    """The method of the audit."""

    ranker: str
    statistic: str
    decoys: int
    smallest_p: float
    smallest_q: float
    false_discovery_rate: float
    interval: str | None
    effect_unit: str | None
    settings: dict[str, Any]
    versions: dict[str, Any]


class AuditClaim(Claimed):
    """The newest audit of the sample."""

    id: str
    audited_at: str
    artefact_sha256: str
    attributable: bool = Field(description="False: no unit reached the false discovery rate. A result, not a failure.")
    verdict: str
    explanation: str
    taken_back: list[str] = Field(
        description="What became, from training to signing, of the works that the image traces to: withdrawn, or prohibited."
    )
    method: MethodClaim
    base_alone_distance: float | NotMeasured | None = optional_field(
        "How far the image is from what the base makes alone, as a scaled Euclidean distance."
    )
    tested: int
    candidates: list[CandidateClaim]


class BaseModelClaim(Claimed):
    """The base model that the models are adapters on."""

    id: str
    name: str | None
    training_data: str | None = Field(description="The registered data set that it was trained on; null: unknown.")
    stated: str | None = optional_field("The data sets that its model card states, unchecked.")
    scope: str = Field(description="What findings about the models are limited to.")
    unknown: str = Field(description="What is not known of the base.")


class SampleClaim(Claimed):
    """The registry's own image and its making."""

    id: str
    image_sha256: str = Field(description="Of the registry's PNG file, before anything was signed into it.")
    seed: int
    label: str | None = Field(description="The prompt: a text, or the name of a class.")
    sampler: dict[str, Any]
    noise_sha256: str
    members_sha256: str
    ensemble_id: str
    encoding_id: str
    unit_kind: str
    members: int
    generated_at: str
    base: BaseModelClaim | None = optional_field("Null: the models share no base.")


class Facts(Claimed):
    """All that is stated, without the moment of signing: the same registry gives the same facts."""

    version: int
    meaning: str
    sample: SampleClaim
    audit: AuditClaim | NotMeasured


class Assertion(Facts):
    """The facts and their stamp."""

    stamp: Stamp
