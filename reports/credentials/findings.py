"""Reads the facts of a sample's assertion: candidates and evidence of its newest audit.

Texts from the registry (titles, names, licences) become one line each, without characters that turn
the writing direction: other programs will show them.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from sqlmodel import Session, col, select

from registry.errors import NotFoundError
from registry.home import Home
from registry.outputs.base_claim import BaseClaim, base_claim
from registry.storage.database import Registry, driver_of
from registry.storage.tables import Audit, Encoding, Ensemble, Sample
from reports.credentials.assertion import (
    VERSION,
    AuditClaim,
    BaseModelClaim,
    CandidateClaim,
    Facts,
    GroundClaim,
    MethodClaim,
    SampleClaim,
    WorkClaim,
)
from reports.facts import NotMeasured
from reports.outputs.facts import Candidate, ReportFacts, Stated, Work
from reports.outputs.read import read_audit, utc
from reports.rendering.wording import plain

WITHOUT_AUDIT = " without audit"
"""End of a stamp's subject if the signer left the audit out."""
MOST_CANDIDATES = 50
"""A shortlist has some twenty candidates; of a longer one those with the best evidence are kept."""
MOST_GROUNDS = 20
MOST_OWNERS = 50
"""Owners named per work; all are counted."""
DIGITS, DECIMALS = 12, 22
"""Rounding of numbers: significant digits, and decimal places. Other languages read longer numbers
with an error in the last bit, and the hash over the facts must not depend on the reader."""
LONGEST_LINE = 300
LONGEST_TEXT = 2_000

MEANING = (
    "An audit estimates which registered training works influenced this image, and tests each against chance, as p and q state. "
    "A candidate is not an ingredient: nothing here says that a work was copied into the image or used to make it. Works that "
    "are not registered cannot appear. Rights are as the registry had them when this was signed. This is no legal conclusion."
)
NO_AUDIT = "it was signed without an audit: it does not say where the image came from"


def subject_of(sample_id: str, *, with_audit: bool) -> str:
    """The subject of a signed image's stamp."""
    return sample_id if with_audit else sample_id + WITHOUT_AUDIT


def read_facts(session: Session, home: Home, sample: Sample, audit: ReportFacts | None) -> Facts:
    """The facts of a sample. ``audit``: its newest audit; None: no audit is stated."""
    ensemble = session.get(Ensemble, sample.ensemble_id)
    encoding = session.get(Encoding, ensemble.encoding_id) if ensemble else None
    if encoding is None:
        raise NotFoundError(
            f"ensemble {sample.ensemble_id} of sample {sample.id} is not in {home.root}; restore the registry"
        )
    base = base_claim(driver_of(session), sample.ensemble_id)
    facts = Facts(
        version=VERSION,
        meaning=MEANING if base is None else f"{MEANING} {plain(base.scope, LONGEST_TEXT)}",
        sample=SampleClaim(
            id=sample.id,
            image_sha256=sample.image_sha256,
            seed=sample.seed,
            label=None if sample.label is None else _line(sample.label),
            sampler=_scalars(sample.sampler or {}),
            noise_sha256=sample.noise_sha256,
            members_sha256=sample.members_sha256,
            ensemble_id=sample.ensemble_id,
            encoding_id=encoding.id,
            unit_kind=_line(encoding.unit_kind),
            members=len(sample.members),
            generated_at=time_text(sample.created_at),
            base=None if base is None else _base(base),
        ),
        audit=NotMeasured(NO_AUDIT) if audit is None else _audit(audit),
    )
    return Facts.model_validate(_rounded(facts.model_dump(mode="json")))


def newest_audit_of(session: Session, sample: Sample) -> Audit | None:
    """The newest audit of a sample; None: it was not audited."""
    newest = (
        select(Audit).where(Audit.sample_id == sample.id).order_by(col(Audit.created_at).desc(), col(Audit.id).desc())
    )
    return session.exec(newest.limit(1)).first()


def signed_image_facts(registry: Registry, subject: str) -> object:
    """The facts as they would be stated today for the subject of a stamp.

    Raises:
        NotFoundError: the sample is not registered.
    """
    with registry.session() as session:
        sample = session.get(Sample, subject.removesuffix(WITHOUT_AUDIT))
        if sample is None:
            raise NotFoundError(f"the registry has no sample {subject[:40]!r}")
        newest = None if subject.endswith(WITHOUT_AUDIT) else newest_audit_of(session, sample)
        audit = None if newest is None else read_audit(session, registry.home, newest).facts
        return read_facts(session, registry.home, sample, audit).model_dump(mode="json")


def time_text(moment: datetime.datetime) -> str:
    """A moment in UTC to the second, the form that C2PA requires."""
    return utc(moment).strftime("%Y-%m-%dT%H:%M:%SZ")


def _audit(audit: ReportFacts) -> AuditClaim:
    method = audit.method
    return AuditClaim(
        id=audit.audit_id,
        audited_at=time_text(audit.audited_at),
        artefact_sha256=audit.artefact_sha256,
        attributable=audit.verdict.attributable,
        verdict=plain(audit.verdict.sentence, LONGEST_TEXT),
        explanation=plain(audit.verdict.explanation, LONGEST_TEXT),
        taken_back=[plain(sentence, LONGEST_TEXT) for sentence in audit.verdict.taken_back[:MOST_CANDIDATES]],
        method=MethodClaim(
            ranker=_line(method.ranker),
            statistic=_line(method.statistic),
            decoys=method.decoys,
            smallest_p=method.smallest_p,
            smallest_q=method.smallest_q,
            false_discovery_rate=method.false_discovery_rate,
            interval=None if method.effect_method is None else _line(method.effect_method),
            effect_unit=None if method.effect_unit is None else _line(method.effect_unit),
            settings=_scalars(method.settings),
            versions=_scalars(method.versions),
        ),
        base_alone_distance=_alone(audit),
        tested=len(audit.candidates),
        candidates=[_candidate(candidate) for candidate in audit.by_evidence[:MOST_CANDIDATES]],
    )


def _base(claim: BaseClaim) -> BaseModelClaim:
    return BaseModelClaim(
        id=_line(claim.id),
        name=None if claim.name is None else _line(claim.name),
        training_data=None if claim.training_data is None else _line(claim.training_data),
        stated=None if claim.stated is None else plain(claim.stated, LONGEST_TEXT),
        scope=plain(claim.scope, LONGEST_TEXT),
        unknown=plain(claim.unknown, LONGEST_TEXT),
    )


def _alone(audit: ReportFacts) -> float | NotMeasured | None:
    alone = audit.base_alone
    return _missing(alone) if isinstance(alone, NotMeasured) else None if alone is None else alone.distance


def _candidate(candidate: Candidate) -> CandidateClaim:
    effect = candidate.effect
    return CandidateClaim(
        rank=candidate.rank,
        label=_line(candidate.label),
        passes=candidate.passes,
        p=candidate.p_value,
        q=candidate.q_value,
        statistic=candidate.statistic,
        grade=candidate.grade,
        group_number=candidate.group_number,
        effect=_missing(effect) if isinstance(effect, NotMeasured) else effect,
        influence_exact=_or_missing(candidate.influence_exact),
        influence_estimate=_or_missing(candidate.influence_estimate),
        works_in_unit=candidate.work_count,
        works=[_work(work) for work in candidate.works],
    )


def _work(work: Work) -> WorkClaim:
    holder, licence, url = work.holder, work.stated("licence"), work.licence_url
    return WorkClaim(
        sha256=work.sha256,
        title=_line(work.title),
        rightsholder=_text(holder),
        rightsholders=[_line(name) for name in work.rightsholders[:MOST_OWNERS]],
        rightsholders_in_all=len(work.rightsholders),
        rightsholder_basis=holder.basis if holder else None,
        licence=_text(licence),
        licence_basis=licence.basis if licence else None,
        licence_url=_line(url) if url else None,
        permission=_line(work.permission),
        permission_grounds=[
            GroundClaim(
                kind=_line(ground.kind),
                decision=_line(ground.decision),
                reason=_line(ground.reason),
                said_at=None if ground.said_at is None else time_text(ground.said_at),
            )
            for ground in work.permission_grounds[:MOST_GROUNDS]
        ],
        synthetic=None if work.synthetic is None else _line(work.synthetic),
    )


def _text(statement: Stated | None) -> str | None:
    return _line(statement.text) if statement else None


def _line(text: str) -> str:
    return plain(text, LONGEST_LINE)


def _missing(value: NotMeasured) -> NotMeasured:
    return NotMeasured(_line(value.not_measured))


def _or_missing(value: float | NotMeasured) -> float | NotMeasured:
    return _missing(value) if isinstance(value, NotMeasured) else value


def _scalars(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that are single values; texts as one line."""
    return {
        _line(name): _line(value) if isinstance(value, str) else value
        for name, value in sorted(values.items())
        if value is None or isinstance(value, str | int | float)
    }


def _rounded(value: Any) -> Any:  # noqa: ANN401  # any JSON value
    if isinstance(value, float):
        return round(float(f"{value:.{DIGITS}g}"), DECIMALS)
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value
