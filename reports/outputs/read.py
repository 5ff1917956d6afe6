"""Reads the facts and illustrations of one audit from the registry and the files of its home.

Rights are those of the moment of reading: a report rendered again after a correction shows the
correction. All else is as the audit recorded it.
"""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session

from registry.encodings.supports import nesting_of
from registry.errors import IntegrityError
from registry.home import Home
from registry.members.serving import history_of, newest_of, served_by
from registry.outputs.base_claim import base_claim
from registry.outputs.evaluations import newest_evaluation
from registry.outputs.grades import grade_by, look_alikes_of
from registry.outputs.history import audits_of_image
from registry.similarity.kept_pictures import unlike_works
from registry.storage import tables
from registry.storage.database import driver_of
from registry.storage.tables import Audit
from reports.evaluations.sentences import quoted, similarity_sentence
from reports.facts import BasePart, NotMeasured
from reports.firmness.read import read_firmness
from reports.outputs import totals
from reports.outputs.artefacts import Artefact, read_artefact
from reports.outputs.facts import AuditOfImage, Candidate, Ensemble, Gap, Member, Method, Output, ReportFacts
from reports.outputs.illustrations import Illustrations, Report, Shown
from reports.outputs.landscapes import KINDS, read_base_alone, read_influences, read_landscape, read_lpips, reason_of
from reports.outputs.limits import limits_of
from reports.outputs.method import (
    read_effect,
    read_method,
    read_rightsholder_tests,
    read_share,
    read_shares,
    read_signal_range,
)
from reports.outputs.rows import Rows, fetch_rows, work_of
from reports.outputs.sentences import history_of as told_history
from reports.outputs.sentences import verdict_of
from reports.rendering.pictures import read_picture
from reports.rendering.wording import plain
from reports.seen.read import read_seen

MOST_AUDITS = 50
"""Audits of one image that a report lists."""


def subject_id(audit: Audit) -> str:
    """The id of the image's report: a sample's, or the whole hash of an image from outside."""
    return audit.sample_id or audit.image_sha256


def read_audit(session: Session, home: Home, audit: Audit, rows: Rows | None = None) -> Report:
    """The facts and illustrations of ``audit``; ``rows``: fetched for several audits, or None.

    Raises:
        IntegrityError: rows of the audit are missing, or lack what every audit records.
    """
    rows = rows or fetch_rows(session, [audit])
    artefact = read_artefact(home.audit(audit.id), audit.artefact_sha256)
    evaluation, similarity = _evaluation(session, audit)
    method = read_method(audit, evaluation)
    sample = session.get(tables.Sample, audit.sample_id) if audit.sample_id else None
    if audit.sample_id and sample is None:
        raise _lacking(audit, f"sample {audit.sample_id}")
    output = _output(audit, sample)
    picture, gaps = _read_picture(home, audit, sample, artefact)
    if artefact.state != "intact":
        gaps = [_gap(audit, artefact.reason, integrity=True), *gaps]
    members = _read_members(session, audit)
    ensemble = _read_ensemble(session, audit, members)
    base_alone, base_picture = (None, None) if ensemble.base is None else read_base_alone(audit, artefact)
    without = {row.rank: _without(row, artefact) for row in rows.candidates[audit.id]}
    candidates = [
        _read_candidate(audit, row, ensemble, method, rows, members, without[row.rank])
        for row in rows.candidates[audit.id]
    ]
    works, work_gaps = _read_work_pictures(session, home, audit, candidates)
    gaps += work_gaps
    audits = _audits_of_image(session, audit)
    landscapes = {kind: read_landscape(session, audit, ensemble.encoding_id, kind) for kind in KINDS}
    together = read_rightsholder_tests(audit, method.false_discovery_rate, rows.merged)
    seen = read_seen(audit)
    facts = ReportFacts(
        audit_id=audit.id,
        audited_at=utc(audit.created_at),
        artefact_sha256=audit.artefact_sha256,
        artefact_state=artefact.state,
        output=output,
        verdict=verdict_of(output, ensemble, method, candidates, together, seen, attributable=audit.attributable),
        seen=seen,
        candidates=candidates,
        rightsholders=totals.by_rightsholder([(output.id, candidates, method)]),
        rightsholder_tests=together,
        shares=read_shares(audit, rows.received.get(audit.id, ())),
        influence_exact=landscapes["exact"],
        influence_estimate=landscapes["estimate"],
        influence_exact_lpips=landscapes["exact_lpips"],
        influence_estimate_lpips=landscapes["estimate_lpips"],
        lpips=read_lpips(audit),
        method=method,
        audits_of_image=audits[:MOST_AUDITS],
        audits_of_image_total=len(audits),
        history=told_history([each.audit_id for each in audits], audit.id, audit.ranker),
        ensemble=ensemble,
        base_alone=base_alone,
        similarity=similarity,
        firmness=read_firmness(session, audit.id),
        limits=[f"{statement} {explanation}" for statement, explanation in limits_of(ensemble.base)],
        gaps=gaps,
    )
    shown = Illustrations(
        output=picture,
        works=works,
        terms={asset_id: rows.licences[asset_id].training for asset_id in works if asset_id in rows.licences},
        without=without,
        base_alone=base_picture,
        decoys={each.rank: artefact.vector("decoy_statistic", each.rank - 1) for each in candidates},
        influences={kind: read_influences(audit, artefact, kind) for kind in KINDS},
        decoy_influences=artefact.vector("decoy_influence_estimate"),
        signal_range=read_signal_range(audit),
    )
    return Report(facts, shown)


def utc(moment: datetime.datetime) -> datetime.datetime:
    """``moment`` in UTC; the driver answers in the local zone."""
    return moment.astimezone(datetime.UTC)


def _gap(audit: Audit, reason: str, *, integrity: bool) -> Gap:
    return Gap(output_id=subject_id(audit), audit_id=audit.id, reason=reason, integrity=integrity)


def _evaluation(session: Session, audit: Audit) -> tuple[tuple[str, ...], str]:
    """The quality of this ensemble's evidence, and how far similarity alone can be trusted."""
    try:
        kept = newest_evaluation(session, audit.ensemble_id)
    except IntegrityError as error:
        reason = f"{str(error)[0].upper()}{str(error)[1:]}."
        return (reason,), reason
    test: Any = audit.test
    members_sha256 = test.get("members_sha256") if isinstance(test, Mapping) else None
    return quoted(kept, members_sha256), similarity_sentence(kept)


def _audits_of_image(session: Session, audit: Audit) -> list[AuditOfImage]:
    found = []
    for each in audits_of_image(driver_of(session), audit.id):
        try:
            settings = json.loads(each.settings)
        except (ValueError, RecursionError):
            settings = None
        found.append(
            AuditOfImage(
                audit_id=each.audit_id,
                audited_at=each.audited_at,
                ranker=each.ranker,
                settings=settings if isinstance(settings, dict) else {},
                newest=each.newest,
            )
        )
    return found


def _read_ensemble(session: Session, audit: Audit, members: Sequence[tables.Member]) -> Ensemble:
    ensemble = session.get(tables.Ensemble, audit.ensemble_id)
    encoding = session.get(tables.Encoding, ensemble.encoding_id) if ensemble else None
    if ensemble is None or encoding is None:
        raise _lacking(audit, f"ensemble {audit.ensemble_id}")
    nesting = nesting_of(session.get(tables.EncodingCodes, encoding.id))
    return Ensemble(
        id=ensemble.id,
        encoding_id=encoding.id,
        unit_kind=encoding.unit_kind,
        unit_column=encoding.unit_column,
        n=encoding.n,
        h=encoding.h,
        seed=encoding.seed,
        unit_count=encoding.unit_count,
        members=[
            Member(
                index=member.index,
                id=member.id,
                origin=member.origin,
                manifest_sha256=member.manifest_sha256,
                weights_sha256=member.weights_sha256,
            )
            for member in members
        ],
        base=BasePart.of(base_claim(driver_of(session), ensemble.id)),
        within=nesting[0] if nesting else None,
        support=nesting[1] if nesting else None,
    )


def _read_members(session: Session, audit: Audit) -> list[tables.Member]:
    """The members whose predictions the audit is of: in service then, of any generation."""
    test = audit.test or {}
    indices, sha256 = test.get("members"), test.get("members_sha256")
    history = history_of(session, audit.ensemble_id)
    if not isinstance(indices, list) or not isinstance(sha256, str):
        return newest_of(history)
    served = served_by(history, indices, sha256)
    if served is None:
        raise _lacking(audit, "members that served it")
    return served[1]


def _output(audit: Audit, sample: tables.Sample | None) -> Output:
    return Output(
        kind="sample" if sample else "image",
        id=subject_id(audit),
        image_name=audit.image_name,
        image_sha256=audit.image_sha256,
        seed=sample.seed if sample else None,
        label=sample.label if sample else None,
        sampler=(sample.sampler or {}) if sample else None,
        noise_sha256=sample.noise_sha256 if sample else None,
        members_sha256=sample.members_sha256 if sample else None,
        saturated_fraction=sample.saturated_fraction if sample else None,
        generated_at=utc(sample.created_at) if sample else None,
    )


def _read_picture(
    home: Home, audit: Audit, sample: tables.Sample | None, artefact: Artefact
) -> tuple[Shown, list[Gap]]:
    """The audited image: an unaltered sample's own file, else the audit's copy."""
    kept = artefact.picture("output")
    if sample is None:
        return kept, []
    file = read_picture(home.sample_image(sample.id), sha256=sample.image_sha256)
    if not isinstance(file, NotMeasured):
        return file, []
    gaps = [_gap(audit, f"the output: {file.not_measured}", integrity=True)]
    return file if isinstance(kept, NotMeasured) else kept, gaps


def _read_work_pictures(
    session: Session, home: Home, audit: Audit, candidates: Sequence[Candidate]
) -> tuple[dict[int, Shown], list[Gap]]:
    """The pictures of the candidates' works that the home keeps; one that was replaced is a gap."""
    places = {work.asset_id: home.picture(work.sha256) for candidate in candidates for work in candidate.works}
    works: dict[int, Shown] = {asset_id: read_picture(place) for asset_id, place in places.items()}
    gaps = [
        _gap(
            audit,
            f"no picture of the work “{plain(work.title or work.path, 80)}”: {shown.not_measured}",
            integrity=False,
        )
        for candidate in candidates
        for work in candidate.works
        if isinstance(shown := works[work.asset_id], NotMeasured)
    ]
    readable = {asset_id: places[asset_id] for asset_id, shown in works.items() if not isinstance(shown, NotMeasured)}
    for asset_id, bits in unlike_works(driver_of(session), readable).items():
        reason = (
            f"the file {places[asset_id].name} does not look like the registered work {asset_id}: it was altered "
            f"({bits} of 256 bits of their fingerprints differ)"
        )
        works[asset_id] = NotMeasured(reason)
        gaps.append(_gap(audit, f"no picture of a work: {reason}", integrity=True))
    return works, gaps


def _without(row: tables.Candidate, artefact: Artefact) -> Shown:
    shown = artefact.picture("counterfactual", row.rank - 1)
    if isinstance(shown, NotMeasured) and artefact.state == "intact" and row.not_measured:
        return NotMeasured(row.not_measured)
    return shown


def _read_candidate(
    audit: Audit,
    row: tables.Candidate,
    ensemble: Ensemble,
    method: Method,
    rows: Rows,
    members: Sequence[tables.Member],
    without: Shown,
) -> Candidate:
    unit = rows.units.get((ensemble.encoding_id, row.unit_number))
    if unit is None:
        raise _lacking(audit, f"unit {row.unit_number} of encoding {ensemble.encoding_id}")
    if not all(math.isfinite(value) for value in (row.score, row.statistic, row.p_value, row.q_value)):
        raise IntegrityError(
            f"audit {audit.id} lists candidate {row.rank} with a value that is no number; run the audit again"
        )
    support = rows.supports.get((ensemble.encoding_id, row.unit_number))
    missing = {
        kind: NotMeasured(
            (row.lpips_not_measured if kind.endswith("lpips") else row.not_measured) or reason_of(audit, kind)
        )
        for kind in KINDS
    }
    return Candidate(
        rank=row.rank,
        unit_number=row.unit_number,
        unit_key=unit.key,
        label=unit.label,
        code=f"{unit.code:0{ensemble.n}b}"[::-1],
        support=None if support is None else f"{support.word:0{ensemble.n}b}"[::-1],
        group=None if support is None else support.group,
        work_count=rows.work_counts.get((ensemble.encoding_id, row.unit_number), 0),
        passes=row.q_value <= method.false_discovery_rate,
        grade=grade_by(method.settings, row.q_value, row.effect_low),
        group_number=look_alikes_of(audit.test).get(row.rank),
        p_value=row.p_value,
        q_value=row.q_value,
        statistic=row.statistic,
        score=row.score,
        effect=read_effect(row),
        influence_exact=_or(row.influence_exact, missing["exact"]),
        influence_estimate=_or(row.influence_estimate, missing["estimate"]),
        influence_exact_lpips=_or(row.influence_exact_lpips, missing["exact_lpips"]),
        influence_estimate_lpips=_or(row.influence_estimate_lpips, missing["estimate_lpips"]),
        counterfactual_shown=without if isinstance(without, NotMeasured) else True,
        share=read_share(audit, row.rank),
        works=[
            work_of(rows, work, row.unit_number, rows.permissions_then(work.asset_id, members))
            for work in rows.listed.get((audit.id, row.unit_number), ())
        ],
    )


def _or(value: float | None, reason: NotMeasured) -> float | NotMeasured:
    return reason if value is None else value


def _lacking(audit: Audit, what: str) -> IntegrityError:
    return IntegrityError(
        f"audit {audit.id} refers to {what}, which the registry lacks; restore the registry from a copy"
    )
