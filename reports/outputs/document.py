"""Reports as versioned JSON documents, for machines and archives; :mod:`reports.outputs.schema` is
their format.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from reports.facts import NotMeasured
from reports.issuing.stamp import UNSTAMPED, Stamp
from reports.outputs import totals
from reports.outputs.facts import (
    AuditFacts,
    Candidate,
    Effect,
    EstimateError,
    Gap,
    Landscape,
    LpipsFacts,
    MemberScore,
    RightsholderTests,
)
from reports.outputs.schema import (
    CandidatePart,
    EffectPart,
    EnsemblePart,
    EstimateErrorPart,
    GapPart,
    IndexDocument,
    IndexEntry,
    LandscapePart,
    LpipsPart,
    MemberPart,
    MemberScorePart,
    MethodPart,
    OutputPart,
    ReportDocument,
    RightsholderTestPart,
    RightsholderTestsPart,
    RightsPart,
    SharePart,
    VerdictPart,
    WorkPart,
)
from reports.outputs.totals import Share
from reports.outputs.work_facts import Rights, Statement, Work
from reports.rendering import wording
from reports.rendering.limits import LIMITS


def report_document(audit: AuditFacts, stamp: Stamp = UNSTAMPED) -> ReportDocument:
    """The document of one audit."""
    return ReportDocument(
        rendered_at=stamp.made_at,
        stamp=stamp,
        audit_id=audit.id,
        audited_at=audit.created_at,
        artefact_sha256=audit.artefact_sha256,
        artefact_state=audit.artefact_state,
        output=_output(audit),
        verdict=VerdictPart(
            attributable=audit.attributable,
            sentence=wording.headline(audit),
            explanation=wording.certainty(audit),
            passing_ranks=[candidate.rank for candidate in audit.passing],
            taken_back=list(wording.taken_back(audit)),
        ),
        candidates=[_candidate(candidate, audit.ensemble.n) for candidate in audit.candidates],
        rightsholders=_shares(totals.by_rightsholder([audit])),
        rightsholder_tests=_rightsholder_tests(audit.test.rightsholders),
        influence_exact=_landscape(audit.exact),
        influence_estimate=_landscape(audit.estimate),
        influence_exact_lpips=_landscape(audit.exact_lpips),
        influence_estimate_lpips=_landscape(audit.estimate_lpips),
        lpips=_lpips(audit.lpips),
        method=_method(audit),
        ensemble=_ensemble(audit),
        similarity=audit.similarity,
        limits=[f"{statement} {explanation}" for statement, explanation in LIMITS],
        gaps=_gaps(audit.gaps),
    )


def facts_of(document: ReportDocument | IndexDocument) -> dict[str, Any]:
    """What a stamp has the hash of: all that a document says of its outputs, and nothing of the
    moment of rendering.
    """
    return document.model_dump(
        mode="json", by_alias=True, exclude={"creditline", "version", "rendered_at", "stamp", "not_audited"}
    )


def index_document(
    audits: Sequence[AuditFacts],
    files: Sequence[str],
    gaps: Sequence[Gap],
    unaudited: Sequence[str],
    stamp: Stamp = UNSTAMPED,
) -> IndexDocument:
    """The document that lists all reports. ``files``: the name of each audit's files without their
    suffix.
    """
    return IndexDocument(
        rendered_at=stamp.made_at,
        stamp=stamp,
        reports=[
            IndexEntry(
                output_id=audit.subject.id,
                audit_id=audit.id,
                html=f"{file}.html",
                json=f"{file}.json",
                attributable=audit.attributable,
                sentence=wording.headline(audit),
                passing=len(audit.passing),
                tested=len(audit.candidates),
                smallest_p=min((candidate.p_value for candidate in audit.candidates), default=None),
                smallest_q=min((candidate.q_value for candidate in audit.candidates), default=None),
                taken_back=list(wording.taken_back(audit)),
            )
            for audit, file in zip(audits, files, strict=True)
        ],
        rightsholders=_shares(totals.by_rightsholder(totals.of_outputs(audits))),
        licences=_shares(totals.by_licence(totals.of_outputs(audits))),
        gaps=_gaps(gaps),
        not_audited=list(unaudited),
    )


def json_bytes(document: BaseModel) -> bytes:
    """The document as UTF-8 JSON with a final line feed; no NaN can be in it."""
    text = json.dumps(document.model_dump(mode="json", by_alias=True), indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode("utf-8", "replace")


def _output(audit: AuditFacts) -> OutputPart:
    subject, sample = audit.subject, audit.subject.sample
    return OutputPart(
        kind=subject.kind,
        id=subject.id,
        image_name=subject.image_name,
        image_sha256=subject.image_sha256,
        seed=sample.seed if sample else None,
        label=sample.label if sample else None,
        sampler=dict(sample.sampler) if sample else None,
        noise_sha256=sample.noise_sha256 if sample else None,
        members_sha256=sample.members_sha256 if sample else None,
        saturated_fraction=sample.saturated_fraction if sample else None,
        generated_at=sample.created_at if sample else None,
    )


def _candidate(candidate: Candidate, n: int) -> CandidatePart:
    shown = candidate.counterfactual
    return CandidatePart(
        rank=candidate.rank,
        unit_number=candidate.unit_number,
        unit_key=candidate.unit_key,
        label=candidate.label,
        code=f"{candidate.code:0{n}b}"[::-1],
        work_count=candidate.work_count,
        passes=candidate.passes,
        p_value=candidate.p_value,
        q_value=candidate.q_value,
        statistic=candidate.statistic,
        score=candidate.score,
        effect=_effect(candidate.effect),
        influence_exact=candidate.influence_exact,
        influence_estimate=candidate.influence_estimate,
        influence_exact_lpips=candidate.influence_exact_lpips,
        influence_estimate_lpips=candidate.influence_estimate_lpips,
        counterfactual_shown=shown if isinstance(shown, NotMeasured) else True,
        works=[_work(work) for work in candidate.works],
    )


def _work(work: Work) -> WorkPart:
    return WorkPart(
        asset_id=work.asset_id,
        sha256=work.sha256,
        data_set=work.data_set,
        path=work.path,
        title=work.title,
        rightsholder=_text(work.rightsholder),
        rightsholders=list(work.owners),
        licence=_text(work.licence),
        declared=_rights(work.declared),
        verified=_rights(work.verified),
        distance=work.distance,
        weight=work.weight,
        licence_duties=list(work.terms.duties) if work.terms and work.terms.recognised else None,
        permission=work.permission,
        permissions_when_trained=work.permissions_then
        if isinstance(work.permissions_then, NotMeasured)
        else list(work.permissions_then),
    )


def _rights(rights: Rights | None) -> RightsPart | None:
    if rights is None:
        return None
    return RightsPart(
        rightsholder=rights.rightsholder,
        licence=rights.licence.reference if rights.licence else None,
        licence_url=rights.licence.url if rights.licence else None,
        title=rights.title,
        creator=rights.creator,
        source_url=rights.source_url,
        recorded_from=rights.recorded_from,
        recorded_at=rights.recorded_at.astimezone(datetime.UTC),
    )


def _method(audit: AuditFacts) -> MethodPart:
    score, test = audit.ranking.member_score, audit.test
    return MethodPart(
        ranker=audit.ranking.name,
        bandwidth=audit.ranking.bandwidth,
        member_lds=_member_score(score),
        statistic=test.statistic,
        steps=test.steps,
        decoys=test.decoys,
        decoys_available=test.decoys_available,
        decoys_chosen=test.decoys_chosen,
        effect_method=test.effect_method,
        effect_unit=test.effect_unit,
        smallest_p=test.smallest_p,
        smallest_q=test.smallest_q,
        false_discovery_rate=test.false_discovery_rate,
        settings=dict(audit.settings),
        versions=dict(audit.versions),
        timings=dict(audit.timings),
        evaluation=list(audit.evaluation),
    )


def _ensemble(audit: AuditFacts) -> EnsemblePart:
    ensemble = audit.ensemble
    return EnsemblePart(
        id=ensemble.id,
        encoding_id=ensemble.encoding_id,
        unit_kind=ensemble.unit_kind,
        unit_column=ensemble.unit_column,
        n=ensemble.n,
        h=ensemble.h,
        seed=ensemble.encoding_seed,
        unit_count=ensemble.unit_count,
        members=[
            MemberPart(
                index=member.index,
                id=member.id,
                origin=member.origin,
                manifest_sha256=member.manifest_sha256,
                weights_sha256=member.weights_sha256,
            )
            for member in ensemble.members
        ],
    )


def _member_score(score: MemberScore | NotMeasured) -> MemberScorePart | NotMeasured:
    if isinstance(score, NotMeasured):
        return score
    return MemberScorePart(value=score.value, low=score.low, high=score.high, samples=score.samples)


def _landscape(landscape: Landscape | NotMeasured) -> LandscapePart | NotMeasured:
    if isinstance(landscape, NotMeasured):
        return landscape
    return LandscapePart(
        method=landscape.method,
        radius=landscape.radius,
        unit_number=landscape.unit_number,
        label=landscape.label,
        members_per_step=landscape.members_per_step,
        error=None if landscape.error is None else _error(landscape.error),
    )


def _error(error: EstimateError) -> EstimateErrorPart:
    return EstimateErrorPart(
        rank_correlation=error.rank_correlation,
        relative_error=error.relative_error,
        median_relative_error=error.median_relative_error,
        units=error.units,
    )


def _lpips(facts: LpipsFacts | NotMeasured) -> LpipsPart | NotMeasured:
    if isinstance(facts, NotMeasured):
        return facts
    return LpipsPart(
        net=facts.net, version=facts.version, weights_sha256=facts.weights_sha256, enlarged_to=facts.enlarged_to
    )


def _effect(effect: Effect | NotMeasured) -> EffectPart | NotMeasured:
    if isinstance(effect, NotMeasured):
        return effect
    return EffectPart(value=effect.value, low=effect.low, high=effect.high)


def _rightsholder_tests(tests: RightsholderTests | NotMeasured) -> RightsholderTestsPart | NotMeasured:
    if isinstance(tests, NotMeasured):
        return tests
    parts = [
        RightsholderTestPart(
            name=test.name,
            counts_as=test.counts_as,
            works=test.works,
            p_value=test.p_value,
            q_value=test.q_value,
            passes=test.passes,
        )
        for test in tests.tested
    ]
    return RightsholderTestsPart(method=tests.method, draws=tests.draws, works=tests.works, tested=parts)


def _text(statement: Statement | None) -> str | None:
    return statement.text if statement else None


def _shares(shares: Sequence[Share]) -> list[SharePart]:
    return [
        SharePart(
            name=share.name,
            traced_outputs=share.traced_outputs,
            passing=share.passing,
            tested=share.listed,
            smallest_q=share.smallest_q,
        )
        for share in shares
    ]


def _gaps(gaps: Sequence[Gap]) -> list[GapPart]:
    return [
        GapPart(output_id=gap.subject_id, audit_id=gap.audit_id, reason=gap.reason, integrity=gap.integrity)
        for gap in gaps
    ]
