"""Reads the facts of one audit from the registry and the files of its home, and from nothing else.

Rights are those of the newest row per work and basis at the time of reading: a report that is
rendered again after a correction shows the correction. Everything else is what the audit recorded.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session

from registry.errors import IntegrityError
from registry.home import Home
from registry.members.serving import history_of, newest_of, served_by
from registry.outputs.evaluations import newest_evaluation
from registry.storage.tables import Audit, Encoding, Ensemble, Member, Sample
from reports.evaluations.sentences import quoted, similarity_sentence
from reports.facts import NotMeasured
from reports.outputs.artefacts import Artefact, read_artefact
from reports.outputs.facts import (
    AuditFacts,
    Candidate,
    EnsembleFacts,
    Gap,
    MemberFacts,
    MemberScore,
    RandomisationTest,
    Ranking,
    SampleFacts,
    Subject,
)
from reports.outputs.landscapes import KINDS, read_landscape, read_lpips, reason_of
from reports.outputs.rows import Rows, fetch_rows
from reports.outputs.tests import read_effect, read_test
from reports.outputs.works import work_of
from reports.rendering.pictures import Picture, read_picture

NOT_ASKED = "the audit did not measure it"
IMAGE_ID_LENGTH = 12
"""Digits of an image's hash that name its report, as long as a sample's id."""


def subject_id(audit: Audit) -> str:
    """The id under which the audited image is reported."""
    return audit.sample_id if audit.sample_id else audit.image_sha256[:IMAGE_ID_LENGTH]


def read_audit(session: Session, home: Home, audit: Audit, rows: Rows | None = None) -> AuditFacts:
    """Everything a report of ``audit`` shows. ``rows``: fetched with those of other audits; None:
    they are fetched here.

    Raises:
        IntegrityError: rows that the audit refers to are missing or lack what every audit records.
    """
    rows = rows or fetch_rows(session, [audit])
    test = read_test(audit, rows.merged)
    artefact = read_artefact(home.audit(audit.id), audit.artefact_sha256)
    subject, gaps = _read_subject(session, home, audit, artefact)
    if artefact.state != "intact":
        gaps = [Gap(subject.id, audit.id, artefact.reason, integrity=True), *gaps]
    members = _read_members(session, audit)
    ensemble = _read_ensemble(session, audit, members)
    candidates = _read_candidates(home, audit, ensemble, test, artefact, rows, members)
    evaluation, similarity = _evaluation(session, audit)
    gaps += [
        Gap(subject.id, audit.id, f"no picture of a work: {work.picture.not_measured}", integrity=False)
        for candidate in candidates
        for work in candidate.works
        if isinstance(work.picture, NotMeasured)
    ]
    return AuditFacts(
        id=audit.id,
        created_at=utc(audit.created_at),
        subject=subject,
        ensemble=ensemble,
        attributable=audit.attributable,
        ranking=_ranking(audit.ranker),
        test=test,
        candidates=candidates,
        exact=read_landscape(session, audit, ensemble.encoding_id, artefact, "exact"),
        estimate=read_landscape(session, audit, ensemble.encoding_id, artefact, "estimate"),
        exact_lpips=read_landscape(session, audit, ensemble.encoding_id, artefact, "exact_lpips"),
        estimate_lpips=read_landscape(session, audit, ensemble.encoding_id, artefact, "estimate_lpips"),
        lpips=read_lpips(audit),
        settings=audit.settings or {},
        versions=audit.versions or {},
        timings=audit.timings or {},
        artefact_sha256=audit.artefact_sha256,
        artefact_state=artefact.state,
        gaps=tuple(gaps),
        evaluation=evaluation,
        similarity=similarity,
    )


def utc(moment: datetime.datetime) -> datetime.datetime:
    """``moment`` in UTC; the driver answers in the zone of the machine."""
    return moment.astimezone(datetime.UTC)


def _evaluation(session: Session, audit: Audit) -> tuple[tuple[str, ...], str]:
    """How good the evidence on this ensemble is, and what similarity alone is worth there."""
    try:
        kept = newest_evaluation(session, audit.ensemble_id)
    except IntegrityError as error:
        reason = f"{str(error)[0].upper()}{str(error)[1:]}."
        return (reason,), reason
    return quoted(kept, (audit.test or {}).get("members_sha256")), similarity_sentence(kept)


def _read_ensemble(session: Session, audit: Audit, members: Sequence[Member]) -> EnsembleFacts:
    ensemble = session.get(Ensemble, audit.ensemble_id)
    encoding = session.get(Encoding, ensemble.encoding_id) if ensemble else None
    if ensemble is None or encoding is None:
        raise _lacking(audit, f"ensemble {audit.ensemble_id}")
    return EnsembleFacts(
        id=ensemble.id,
        settings=ensemble.settings or {},
        encoding_id=encoding.id,
        unit_kind=encoding.unit_kind,
        unit_column=encoding.unit_column,
        n=encoding.n,
        h=encoding.h,
        encoding_seed=encoding.seed,
        unit_count=encoding.unit_count,
        members=tuple(
            MemberFacts(member.id, member.index, member.origin, member.manifest_sha256, member.weights_sha256)
            for member in members
        ),
    )


def _read_members(session: Session, audit: Audit) -> list[Member]:
    """The members whose predictions the audit is of: those that served then, of whatever
    generation.
    """
    test = audit.test or {}
    indices, sha256 = test.get("members"), test.get("members_sha256")
    history = history_of(session, audit.ensemble_id)
    if not isinstance(indices, list) or not isinstance(sha256, str):
        return newest_of(history)
    served = served_by(history, indices, sha256)
    if served is None:
        raise _lacking(audit, "members that served it")
    return served[1]


def _read_subject(session: Session, home: Home, audit: Audit, artefact: Artefact) -> tuple[Subject, list[Gap]]:
    """The audited image; a sample's own file where it is unaltered, else the copy that the audit
    kept.
    """
    name, gaps = subject_id(audit), []
    picture: Picture | NotMeasured = artefact.picture("output")
    facts = None
    if audit.sample_id:
        sample = session.get(Sample, audit.sample_id)
        if sample is None:
            raise _lacking(audit, f"sample {audit.sample_id}")
        facts = SampleFacts(
            id=sample.id,
            seed=sample.seed,
            label=sample.label,
            sampler=sample.sampler or {},
            noise_sha256=sample.noise_sha256,
            members_sha256=sample.members_sha256,
            saturated_fraction=sample.saturated_fraction,
            versions=sample.versions or {},
            created_at=utc(sample.created_at),
        )
        file = read_picture(home.sample_image(sample.id), sha256=sample.image_sha256)
        if isinstance(file, NotMeasured):
            gaps.append(Gap(name, audit.id, f"the output: {file.not_measured}", integrity=True))
            picture = file if isinstance(picture, NotMeasured) else picture
        else:
            picture = file
    kind = "sample" if audit.sample_id else "image"
    return Subject(kind, name, audit.image_name, audit.image_sha256, facts, picture), gaps  # type: ignore[arg-type]  # narrowed above


def _read_candidates(
    home: Home,
    audit: Audit,
    ensemble: EnsembleFacts,
    test: RandomisationTest,
    artefact: Artefact,
    rows: Rows,
    members: Sequence[Member],
) -> tuple[Candidate, ...]:
    found = []
    for row in rows.candidates[audit.id]:
        unit = rows.units.get((ensemble.encoding_id, row.unit_number))
        if unit is None:
            raise _lacking(audit, f"unit {row.unit_number} of encoding {ensemble.encoding_id}")
        if not all(math.isfinite(value) for value in (row.score, row.statistic, row.p_value, row.q_value)):
            raise IntegrityError(
                f"audit {audit.id} lists candidate {row.rank} with a value that is no number; run the audit again"
            )
        unmeasured = {
            kind: NotMeasured(
                (row.lpips_not_measured if kind.endswith("lpips") else row.not_measured) or reason_of(audit, kind)
            )
            for kind in KINDS
        }
        counterfactual = artefact.picture("counterfactual", row.rank - 1)
        if isinstance(counterfactual, NotMeasured) and artefact.state == "intact" and row.not_measured:
            counterfactual = NotMeasured(row.not_measured)
        listed = rows.listed.get((audit.id, row.unit_number), ())
        saw = [member for member in members if unit.code >> member.index & 1]
        found.append(
            Candidate(
                rank=row.rank,
                unit_number=row.unit_number,
                unit_key=unit.key,
                label=unit.label,
                code=unit.code,
                work_count=rows.work_counts.get((ensemble.encoding_id, row.unit_number), 0),
                works=tuple(
                    work_of(rows, home, work, row.unit_number, rows.permissions_then(work.asset_id, saw))
                    for work in listed
                ),
                score=row.score,
                statistic=row.statistic,
                p_value=row.p_value,
                q_value=row.q_value,
                passes=row.q_value <= test.false_discovery_rate,
                effect=read_effect(row),
                influence_exact=_or(row.influence_exact, unmeasured["exact"]),
                influence_estimate=_or(row.influence_estimate, unmeasured["estimate"]),
                influence_exact_lpips=_or(row.influence_exact_lpips, unmeasured["exact_lpips"]),
                influence_estimate_lpips=_or(row.influence_estimate_lpips, unmeasured["estimate_lpips"]),
                counterfactual=counterfactual,
                decoys=artefact.vector("decoy_statistic", row.rank - 1),
            )
        )
    return tuple(found)


def _or(value: float | None, reason: NotMeasured) -> float | NotMeasured:
    return reason if value is None else value


def _lacking(audit: Audit, what: str) -> IntegrityError:
    return IntegrityError(
        f"audit {audit.id} refers to {what}, which the registry lacks; restore the registry from a copy"
    )


def _ranking(ranker: Mapping[str, Any] | None) -> Ranking:
    ranker = ranker or {}
    grade = ranker.get("member_lds") or {"not_measured": "the audit did not grade its ranker"}
    if "not_measured" in grade or "value" not in grade:
        score: MemberScore | NotMeasured = NotMeasured(
            str(grade.get("not_measured", "the audit did not grade its ranker"))
        )
    else:
        score = MemberScore(grade["value"], grade.get("low"), grade.get("high"), grade.get("samples"))
    return Ranking(str(ranker.get("name", "not recorded")), ranker.get("bandwidth"), score)
