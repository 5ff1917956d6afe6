"""Measures and records the firmness of audits: similarities and the ranking attacked, benign
changes, the test.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from sqlmodel import Session, select

from attribution.audit.auditor import Auditor
from attribution.engines.device import Device
from attribution.ensemble.serving import ServingEnsemble, serving_ensemble
from attribution.firmness.changes import BENIGN, Picture
from attribution.firmness.flips import smallest_linf
from attribution.firmness.measure import OF_A_SAMPLE, Competitors, competitors, firmness
from attribution.firmness.ranking import MOST_CHECKS, AuditRanking
from attribution.firmness.retest import Strongest, evidence_sentence, retested, settings_of
from attribution.firmness.similarity import Features, pixel_similarity
from attribution.firmness.surrogates import embedding_of
from attribution.metrics.euclidean import NotMeasured
from attribution.ranking.encoded_works import EncodedWorks, load_encoded_works
from attribution.ranking.rankers.embeddings import MOBILENET_VARIABLE, mobilenet
from attribution.ranking.recorded_choice import ranker_inputs, rankers_of_audit, rankers_to_use
from attribution.training.dataset import build_training_set
from registry.errors import InputError, IntegrityError, MissingPartError, NotFoundError, UsageError
from registry.event_log.events import changing
from registry.outputs.firmness import EVENT
from registry.outputs.searches import went_through_an_index
from registry.storage.database import Registry
from registry.storage.tables import Audit, Candidate, CandidateWork, Sample, Unit

RETESTED = ("JPEG of quality 75", "scaled to a half, and back", "moved right by one pixel")
"""Benign changes under which the test is repeated, beside the smallest flip: each takes long."""


def measure_firmness(
    registry: Registry,
    audits: Sequence[str],
    device: Device,
    weights: Path | None,
    retest: bool,
    now: Callable[[], datetime.datetime],
    on_done: Callable[[], object] = lambda: None,
    most_checks: int = MOST_CHECKS,
) -> list[dict[str, Any]]:
    """The firmness of these audits, each recorded as an event.

    ``weights``: of MobileNetV2; None: the file that the environment names, if any. Embeddings that
    an audit's own rankers compare are attacked as well. ``most_checks``: pictures that each of the
    two searches (L2, L-infinity) shows to an audit's ranking at most.

    Raises:
        IntegrityError: an audit's file or a work was altered.
        InputError: the weights are another file.
    """
    embeddings = _embeddings(weights)

    @lru_cache(maxsize=1)
    def opened(ensemble_id: str) -> tuple[ServingEnsemble, EncodedWorks]:
        ensemble = serving_ensemble(registry, ensemble_id)
        training_set = build_training_set(registry, ensemble.id, ensemble.encoding.id, ensemble.settings)
        return ensemble, load_encoded_works(registry, ensemble, training_set)

    found = []
    for audit_id in audits:
        with registry.session() as session:
            audit = session.get(Audit, audit_id)
            if audit is None:
                raise NotFoundError(f"no audit {audit_id}; `creditline audit --all` makes audits")
            listed, first, strongest = _candidates(session, audit)
            text = None if audit.sample_id is None else session.get_one(Sample, audit.sample_id).label
        ensemble, encoded = opened(audit.ensemble_id)
        label = partial(_label, registry, ensemble.encoding.id)
        shown = competitors(registry.home, audit, encoded, listed, label)
        ranking = _ranking_of(registry, ensemble, encoded, audit, text, weights)
        attacked = embeddings | ({} if isinstance(ranking, NotMeasured) else _embeddings_of(ranking))
        facts = {
            "audit": audit.id,
            "output": audit.sample_id or audit.image_name,
            **firmness(shown, attacked, ranking, first, most_checks),
            "embeddings": dict.fromkeys(attacked, "measured") or {"mobilenet": "no file of weights was named"},
            "evidence": _evidence(registry, ensemble, device, audit, shown, strongest, retest=retest),
        }
        with changing(registry, now()) as change:
            change.record(EVENT, f"audit {audit.id}", after=facts)
        found.append(facts)
        on_done()
    return found


def _embeddings(weights: Path | None) -> dict[str, Features]:
    if weights is None and not os.environ.get(MOBILENET_VARIABLE):
        return {}
    embedding = mobilenet(weights, "firmness by an embedding", "leave out --weights and the variable")
    return {embedding.name: embedding.features}


def _embeddings_of(ranking: AuditRanking) -> dict[str, Features]:
    """Embeddings that the audit's rankers compare: LPIPS's network is one."""
    found = {ranker.name: embedding_of(ranker) for ranker in ranking.rankers}
    return {name: features for name, features in found.items() if features is not None}


def _ranking_of(
    registry: Registry,
    ensemble: ServingEnsemble,
    encoded: EncodedWorks,
    audit: Audit,
    text: str | None,
    weights: Path | None,
) -> AuditRanking | NotMeasured:
    """The audit's own ranking; a part that is gone is a reason, not an error."""
    try:
        rankers, parts = rankers_of_audit(registry, audit, ranker_inputs(registry, ensemble, weights))
    except (UsageError, MissingPartError, InputError, IntegrityError) as error:
        return NotMeasured(str(error))
    names = frozenset(name for name in (audit.sample_id, audit.image_sha256) if name)
    asked = text if audit.sample_id is not None else audit.settings.get("label")
    return AuditRanking(
        rankers, parts, encoded, int(audit.settings["shortlist"]), names, asked if isinstance(asked, str) else None
    )


def _label(registry: Registry, encoding_id: str, unit: int) -> str:
    """The label of a unit; its number, where there is none."""
    with registry.session() as session:
        found = session.get(Unit, (encoding_id, unit))
    return str(unit) if found is None else str(found.label)


def _candidates(session: Session, audit: Audit) -> tuple[list[tuple[int, int]], int | None, Strongest | None]:
    """The listed works as (unit, asset id), the unit that is listed first, and the strongest
    candidate.
    """
    works = session.exec(select(CandidateWork).where(CandidateWork.audit_id == audit.id)).all()
    listed = sorted((work.unit_number, work.asset_id) for work in works)
    rows = session.exec(select(Candidate).where(Candidate.audit_id == audit.id)).all()
    first = min(rows, key=lambda row: row.rank, default=None)
    best = min(rows, key=lambda row: (row.q_value, row.p_value, row.rank), default=None)
    strongest = None if best is None else Strongest(best.unit_number, best.p_value, best.q_value)
    return listed, None if first is None else first.unit_number, strongest


def _evidence(
    registry: Registry,
    ensemble: ServingEnsemble,
    device: Device,
    audit: Audit,
    shown: Competitors,
    strongest: Strongest | None,
    *,
    retest: bool,
) -> dict[str, Any]:
    """The test beside it: of a sample in words, of an image from outside repeated."""
    if audit.sample_id is not None:
        return {"sentence": OF_A_SAMPLE}
    if not retest or strongest is None:
        return {"sentence": "The test was not repeated on changed copies."}
    settings = settings_of(audit)
    if strongest.q_value > settings.false_discovery_rate:
        return {"sentence": "The audit has no finding, so there is none that a change could take away."}
    pictures = {name: BENIGN[name](shown.picture) for name in RETESTED}
    pictures |= _flipped(shown)
    inputs = ranker_inputs(registry, ensemble, indexed=went_through_an_index(audit.ranker))
    used = rankers_to_use(registry, ensemble.id, (), inputs)
    auditor = Auditor.prepare(registry, ensemble, settings, device, used)
    label = audit.settings.get("label")
    results = retested(auditor, pictures, strongest, label if isinstance(label, str) else None)
    name = shown.label(strongest.unit)
    return {
        "unit": strongest.unit,
        "label": name,
        "p": strongest.p_value,
        "q": strongest.q_value,
        "changes": results,
        "sentence": evidence_sentence(results, name),
    }


def _flipped(shown: Competitors) -> dict[str, Picture]:
    """The picture with the smallest change that turns the nearest work by pixels."""
    if len(np.unique(shown.units)) < 2:
        return {}
    flip = smallest_linf(pixel_similarity(shown.works, shown.units), shown.picture)
    return (
        {}
        if isinstance(flip, NotMeasured)
        else {"the smallest change that turns the nearest work by pixels": flip.image}
    )
