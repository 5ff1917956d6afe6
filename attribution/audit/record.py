"""An audit's settings, subject and findings, and how they are recorded."""

from __future__ import annotations

import datetime
import math
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int64, UInt64
from safetensors.numpy import save_file

from attribution.audit.joint_tests import pull_tensors
from attribution.audit.landscape import NO_JACOBIAN, Landscapes, base_facts, landscape_facts, landscapes_of
from attribution.audit.worker import Counterfactuals, jacobian_file
from attribution.ensemble.recipe import versions_of
from attribution.ensemble.serving import ServingEnsemble
from attribution.evidence import effect_interval
from attribution.evidence.adjustment import RIDGE
from attribution.evidence.effect_interval import Effects
from attribution.evidence.group_test import Pulls, RightsholderTests
from attribution.evidence.randomisation import STEPS_FROM, Evidence
from attribution.evidence.shares import Shares
from attribution.images import keep_picture, read_work
from attribution.metrics.euclidean import NotMeasured, from_mean_square
from attribution.metrics.lpips_weights import LpipsWeights
from attribution.ranking.encoded_works import SEEN_BY_ALL, EncodedWorks
from attribution.ranking.grading import Choices, identity_of
from attribution.ranking.rankers.interface import Ranker
from attribution.ranking.shortlist import Shortlisted
from attribution.sampling.predictions import BAND_EDGES, STEP_WEIGHTS
from attribution.seen.answer import METHOD as SEEN_METHOD
from attribution.seen.answer import Seen
from registry.encodings.assignment import Assignment, Decoys
from registry.errors import IntegrityError, UsageError
from registry.event_log.events import changing
from registry.home import write_atomically
from registry.ids import content_id, sha256_of_file
from registry.outputs.grades import LOOK_ALIKES
from registry.outputs.history import CHOSEN_BY_DEFAULT, grades_on_record
from registry.outputs.queries import check_subject
from registry.outputs.searches import SEARCHED
from registry.storage import tables
from registry.storage.database import Registry

KEEPS = "pulls of rightsholders, shares"
"""What an audit's file has since this version: earlier audits have other ids and are made again."""
NO_COUNTERFACTUAL = "an image that was not generated here has no seed, so it cannot be generated again without a unit"


@dataclass(frozen=True)
class AuditSettings:
    """How to audit.

    Raises:
        UsageError: a value is outside its range.
    """

    shortlist: int = 10
    """Units tested, at most."""
    false_discovery_rate: float = 0.05
    """A candidate with at most this q-value is called a source."""
    decoy_limit: int = 20_000
    """Decoys used, at most: of a larger number this many are drawn."""
    works_per_candidate: int = 3
    """Works listed of a unit of many works."""
    jacobian: bool = True
    """Whether to estimate every unit's influence from the Jacobian."""
    exact: bool = False
    """Whether to measure every unit's influence by real ablation."""
    jacobian_members: int | None = None
    """Members that carry the Jacobian's tangents at each step, drawn at random; None: all."""
    lpips: str | None = None
    """The network that measures LPIPS; None: not measured."""
    main_source: float = 0.15
    """Lower end of the effect from which a finding is a main source, see
    :mod:`registry.outputs.grades`. The default of this and of the next: chosen by what goes from
    the picture without the work, see ``benchmarks/grades/verdict_sizes.py``."""
    contributes: float = 0.05
    """Lower end of the effect from which a finding contributes; below, it is slight."""

    def __post_init__(self) -> None:
        if self.shortlist < 1 or self.decoy_limit < 1 or self.works_per_candidate < 1:
            raise UsageError("shortlist, decoys and works per candidate must be at least 1")
        if self.jacobian_members is not None and self.jacobian_members < 1:
            raise UsageError("the Jacobian's tangents need at least one member a step to carry them")
        if not 0 < self.false_discovery_rate < 1:
            raise UsageError(f"false discovery rate {self.false_discovery_rate}: choose a number between 0 and 1")
        if not 0 < self.contributes <= self.main_source < math.inf:
            raise UsageError(
                f"got thresholds of {self.contributes} to contribute and {self.main_source} for a main source, expected "
                "two numbers above 0, the first at most the second"
            )


@dataclass(frozen=True)
class Subject:
    """The image that is audited."""

    kind: Literal["sample", "image"]
    sample_id: str | None
    image_name: str | None
    image_sha256: str
    label: str | None

    @classmethod
    def of_sample(cls, sample: tables.Sample) -> Subject:
        """A generated sample."""
        return cls("sample", sample.id, None, sample.image_sha256, sample.label)

    @classmethod
    def of_image(cls, name: str, sha256: str, label: str | None) -> Subject:
        """An outside image file."""
        return cls("image", None, name, sha256, label)

    @property
    def names(self) -> frozenset[str]:
        """The names that a table of supplied scores may use for the subject."""
        return frozenset(name for name in (self.sample_id, self.image_sha256) if name)


@dataclass(frozen=True)
class Findings:
    """Layers 1 and 2 of one subject."""

    subject: Subject
    image: Float[np.ndarray, "channel height width"] = field(repr=False)
    """The audited image at the model's size, in [0, 1]."""
    shortlisted: Shortlisted
    codes: UInt64[np.ndarray, " place"]
    decoys: Decoys
    evidence: Evidence
    rightsholders: RightsholderTests | NotMeasured
    """Tests of the rightsholders of the first-ranked works, where units are works."""
    look_alikes: tuple[Int64[np.ndarray, " place"], ...]
    """Places of the shortlist that were tested as one, by group."""
    shares: Shares | NotMeasured
    """The parts of the output, where these members made it."""
    neighbours: Int64[np.ndarray, " unit"]
    """The units adjusted for, see :mod:`attribution.evidence.adjustment`."""
    steps: int
    """Steps that have a weight in the statistic."""
    timings: dict[str, float]
    seen: Seen | None = None
    """Whether the models saw an image from outside itself; None: it was generated here."""


@dataclass(frozen=True)
class AuditContext:
    """The values that all audits of one run share."""

    registry: Registry
    ensemble: ServingEnsemble
    settings: AuditSettings
    encoded: EncodedWorks
    rankers: tuple[Ranker, ...]
    """The rankers that fill the shortlist."""
    choices: Choices
    """The rankers that order the display, by kind of image."""
    assignment: Assignment
    """The law of the codes."""
    decoys: Decoys
    """Of all units where codes are plain; where they nest, of some units, to show beside
    influences."""
    device: str
    lpips: LpipsWeights | NotMeasured
    """The network that measures LPIPS, or why it is not measured."""
    rankers_chosen: str = CHOSEN_BY_DEFAULT
    """How the rankers were chosen: :class:`attribution.ranking.recorded_choice.UsedRankers`."""


def audit_id_of(context: AuditContext, subject: Subject) -> str:
    """Hash of subject, ensemble, settings, rankers and fusion: equal requests have one audit."""
    choice = context.choices.of(subject.kind)
    ranker = {
        "rankers": [identity_of(one) for one in context.rankers],
        "parts": [part.to_json() for part in choice.parts],
        "graded": choice.grade is not None,
    }
    if context.encoded.index.single:
        searches = {one.name: one.searches(len(context.encoded.source)) for one in context.rankers}
        ranker |= {"searches": found} if (found := {name: how for name, how in searches.items() if how}) else {}
    request = {"subject": asdict(subject), "settings": asdict(context.settings), "ranker": ranker, "keeps": KEEPS}
    if subject.kind == "image":
        request["asks"] = SEEN_METHOD
    ensemble = {"ensemble": context.ensemble.id, "members": context.ensemble.members_sha256}
    return content_id("audit", {**request, **ensemble})


def recorded_audit(context: AuditContext, audit_id: str, subject: Subject) -> tables.Audit | None:
    """The recorded audit of this id, or None.

    Raises:
        IntegrityError: it is of another subject or ensemble.
    """
    with context.registry.session() as session:
        found = session.get(tables.Audit, audit_id)
    if found is not None:
        asked = {
            "ensemble_id": context.ensemble.id,
            "subject_kind": subject.kind,
            "sample_id": subject.sample_id,
            "image_name": subject.image_name,
            "image_sha256": subject.image_sha256,
        }
        check_subject("audit", audit_id, {name: getattr(found, name) for name in asked}, asked)
    return found


def artefact_is_intact(context: AuditContext, audit: tables.Audit) -> bool:
    """Whether an audit's artefact is the one that was registered."""
    try:
        return sha256_of_file(context.registry.home.audit(audit.id)) == audit.artefact_sha256
    except OSError:
        return False


def record_audit(context: AuditContext, found: Findings, shown: Counterfactuals | None) -> tables.Audit:
    """Write an audit's artefact and the pictures of its works, then its rows in one transaction.

    If the rows exist and the artefact was lost or altered, only the artefact is restored. ``shown``
    has the real ablations; None for an outside image.

    Raises:
        IntegrityError: the artefact was lost, and this machine cannot reproduce the registered one.
    """
    audit_id = audit_id_of(context, found.subject)
    # Before any file: an audit of something else with this id keeps its own.
    existing = recorded_audit(context, audit_id, found.subject)
    jacobian, members = None, context.settings.jacobian_members
    no_jacobian = None if shown is None else shown.no_jacobian
    if found.subject.sample_id is not None and context.settings.jacobian and no_jacobian is None:
        jacobian = jacobian_file(context.registry.home, found.subject.sample_id, members)
    landscapes = landscapes_of(
        context.encoded.membership, context.ensemble.membership_of(context.decoys.words), jacobian, shown
    )
    tensors = _tensors(context, found, shown, landscapes)
    path = context.registry.home.audit(audit_id)
    write_atomically(path, partial(save_file, tensors, metadata={"format": "creditline-audit-1"}))
    _keep_pictures(context, found)
    if existing is not None:
        return _as_recorded(context, audit_id)
    audit = tables.Audit(
        id=audit_id,
        ensemble_id=context.ensemble.id,
        subject_kind=found.subject.kind,
        sample_id=found.subject.sample_id,
        image_name=found.subject.image_name,
        image_sha256=found.subject.image_sha256,
        settings={**asdict(context.settings), "label": found.subject.label},
        ranker={
            **context.choices.of(found.subject.kind).to_json(context.rankers),
            "shortlist": found.shortlisted.sources,
            **({SEARCHED: dict(found.shortlisted.searched)} if found.shortlisted.searched else {}),
            **_how_chosen(context),
        },
        test=_test_facts(context, found),
        landscape=None
        if shown is None
        else {
            **landscape_facts(
                landscapes,
                jacobian=jacobian,
                jacobian_members=members,
                no_jacobian=no_jacobian or NO_JACOBIAN,
                lpips=context.lpips,
                side=found.image.shape[-1],
                why_not=SEEN_BY_ALL,
            ),
            **base_facts(shown.base, context.lpips),
        },
        attributable=_attributable(context, found),
        artefact_sha256=sha256_of_file(path),
        versions=versions_of(context.device),
        timings={**found.timings, **({} if shown is None else shown.timings)},
        created_at=datetime.datetime.now(datetime.UTC),
    )
    candidates, works = _candidate_rows(audit_id, context, found, shown, landscapes)
    with changing(context.registry, audit.created_at) as change:
        # Another process may have recorded the same audit meanwhile.
        if not change.has("audit", audit_id):
            change.insert(audit, *candidates, *works)
            facts = {"attributable": audit.attributable, "artefact_sha256": audit.artefact_sha256}
            change.record("output audited", f"audit {audit_id}", after=facts)
            for table in ("audit", "candidate", "candidate_work"):
                change.seal(table, audit_id)
            return audit
    return _as_recorded(context, audit_id)


def _as_recorded(context: AuditContext, audit_id: str) -> tables.Audit:
    """The recorded audit, if the artefact that was just written is the one it names."""
    with context.registry.session() as session:
        recorded = session.get_one(tables.Audit, audit_id)
    if not artefact_is_intact(context, recorded):
        raise IntegrityError(
            f"audit {audit_id} cannot be restored: {context.registry.home.audit(audit_id)} came out differently from what "
            "was registered (another machine or version?); restore the file, or audit under another --shortlist"
        )
    return recorded


def _how_chosen(context: AuditContext) -> dict[str, Any]:
    """How the rankers were chosen, and the grades that were on record before."""
    with context.registry.connection() as connection:
        grades = grades_on_record(connection, context.ensemble.id)
    return {"chosen": context.rankers_chosen, "grades_before": grades}


def _tensors(
    context: AuditContext, found: Findings, shown: Counterfactuals | None, landscapes: Landscapes
) -> dict[str, np.ndarray]:
    tensors: dict[str, np.ndarray] = {
        **{f"ranked_units {order.name}": order.units for order in found.shortlisted.orders},
        "decoy_statistic": found.evidence.decoy_statistic,
        "output": (np.moveaxis(found.image, 0, -1) * 255.0).round().astype(np.uint8),
        **pull_tensors(_pulls(context, found), found.neighbours, len(context.ensemble.indices)),
    }
    tensors.update(landscapes.tensors)
    if shown is not None:
        tensors["counterfactual"] = shown.pictures
        if shown.base is not None:
            tensors["base_alone"] = shown.base.picture
    return {name: np.ascontiguousarray(array) for name, array in tensors.items()}


def _pulls(context: AuditContext, found: Findings) -> list[Pulls]:
    """What the test over all images needs of each rightsholder, in the order of the ranking."""
    if not isinstance(found.rightsholders, NotMeasured):
        return [each.pulls for each in found.rightsholders.tested]
    if context.ensemble.encoding.unit_kind != "rightsholder":
        return []
    units = found.shortlisted.unit_numbers
    return [Pulls(units[place : place + 1], row[None]) for place, row in enumerate(found.evidence.alignment)]


def _attributable(context: AuditContext, found: Findings) -> bool:
    """Whether a candidate passes."""
    return bool((found.evidence.q_value <= context.settings.false_discovery_rate).any())


def _test_facts(context: AuditContext, found: Findings) -> dict[str, Any]:
    smallest_p = 1.0 / (1.0 + found.decoys.count)
    return {
        "statistic": "directional",
        **({"space": "latents"} if context.ensemble.settings.network.latent else {}),
        "sqrt_alpha_bar": [STEPS_FROM, 1.0],
        "step_weights": {"bands": list(BAND_EDGES), "weights": list(STEP_WEIGHTS), "chosen": "beforehand"},
        "neighbours": {"units": len(found.neighbours), "ridge": RIDGE},
        LOOK_ALIKES: [(places + 1).tolist() for places in found.look_alikes],
        "steps": found.steps,
        "decoys": found.decoys.count,
        "decoys_available": found.decoys.available,
        "decoys_chosen": "all" if found.decoys.count == found.decoys.available else "at random",
        "smallest_p": smallest_p,
        "smallest_q": min(1.0, smallest_p * len(found.codes)),
        "members": list(context.ensemble.indices),
        "members_sha256": context.ensemble.members_sha256,
        "effect": {"method": effect_interval.METHOD, "unit": effect_interval.UNIT, "level": effect_interval.LEVEL},
        "rightsholders": found.rightsholders.to_json(),
        **({} if found.seen is None else {"seen": found.seen.to_json(leans=_attributable(context, found))}),
        "shares": found.shares.to_json(),
        "not_tested": [
            {"unit": unit, "rank": rank, "reason": context.encoded.not_testable[unit]}
            for unit, rank in found.shortlisted.passed_over
        ],
    }


def _candidate_rows(
    audit_id: str,
    context: AuditContext,
    found: Findings,
    shown: Counterfactuals | None,
    landscapes: Landscapes,
) -> tuple[list[tables.Candidate], list[tables.CandidateWork]]:
    candidates, works = [], []
    no_lpips = context.lpips.reason if isinstance(context.lpips, NotMeasured) else None
    for place, number in enumerate(found.shortlisted.unit_numbers):
        candidates.append(
            tables.Candidate(
                audit_id=audit_id,
                rank=place + 1,
                unit_number=int(number),
                score=float(found.shortlisted.scores[place]),
                statistic=float(found.evidence.statistic[place]),
                p_value=float(found.evidence.p_value[place]),
                q_value=float(found.evidence.q_value[place]),
                **_effect_of(found.evidence.effects, place),
                influence_exact=None if shown is None else float(shown.influence[place]),
                influence_exact_lpips=None if shown is None or shown.lpips is None else float(shown.lpips[place]),
                **landscapes.at(int(number)),
                not_measured=NO_COUNTERFACTUAL if shown is None else None,
                lpips_not_measured=NO_COUNTERFACTUAL if shown is None else no_lpips,
            )
        )
        works += [
            tables.CandidateWork(
                audit_id=audit_id,
                unit_number=int(number),
                position=position + 1,
                asset_id=int(context.encoded.asset_ids[row]),
                distance=float(from_mean_square(difference)),
                weight=weight,
            )
            for position, (row, difference, weight) in enumerate(found.shortlisted.works[place])
        ]
    return candidates, works


def _effect_of(effects: Effects, place: int) -> dict[str, Any]:
    reason = effects.not_measured[place]
    if reason is not None:
        return {"effect_not_measured": reason}
    return {
        "effect": float(effects.estimate[place]),
        "effect_low": float(effects.low[place]),
        "effect_high": float(effects.high[place]),
    }


def _keep_pictures(context: AuditContext, found: Findings) -> None:
    """Keep a small picture of every listed work: reports do not need the works' folder."""
    rows = {row for listed in found.shortlisted.works for row, _, _ in listed}
    for row in sorted(rows):
        sha256, path = context.encoded.hashes[row], context.encoded.paths[row]
        place = context.registry.home.picture(sha256)
        if place.exists():
            continue
        try:
            image = read_work(path, sha256)
        except IntegrityError:
            # The report shows the gap; the audit rests on the pixels that the members trained on.
            continue
        keep_picture(place, image)
