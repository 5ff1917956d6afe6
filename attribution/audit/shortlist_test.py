"""Layer 2 of an audit: the test of a shortlist against decoys, and the parts of its works."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Int64

from attribution.audit.record import AuditContext, Findings, Subject
from attribution.ensemble.serving import ServingEnsemble
from attribution.evidence.adjustment import MOST, Neighbours, neighbours_of
from attribution.evidence.group_test import REACH, rightsholder_tests
from attribution.evidence.look_alikes import drawn_together, look_alikes, near_fingerprints
from attribution.evidence.randomisation import assess_shortlist, mean_predictions, steps_used
from attribution.evidence.shares import NOT_OURS, Shares, shares_of
from attribution.metrics.euclidean import NotMeasured
from attribution.ranking.shortlist import Shortlisted
from attribution.sampling.image_predictions import seed_of_image
from attribution.sampling.predictions import MemberPredictions
from registry.encodings.assignment import Assignment, Decoys
from registry.errors import UsageError

DECOY_SEED = 0
MOST_SHOWN = 32
"""Units whose decoys are shown beside all influences, where codes nest."""


def tested(
    context: AuditContext,
    subject: Subject,
    predictions: MemberPredictions,
    image: np.ndarray,
    listed: Shortlisted,
    rank_seconds: float,
) -> Findings:
    """Layer 2 of a shortlist, with the tests of rightsholders and the shares.

    Args:
        context: of the audit.
        subject: the image.
        predictions: of the members, on the image.
        image: in [0, 1].
        listed: the shortlist.
        rank_seconds: the time that ranking took, for the record.

    Raises:
        UsageError: no code is left to test with.
    """
    begun = time.monotonic()
    codes = context.encoded.codes[listed.unit_numbers]
    flat, order = image.reshape(-1), listed.blind_order(max(MOST, REACH))
    around = neighbours_of(context.encoded, flat, order)
    decoys = decoys_of(context, listed.unit_numbers)
    groups = _look_alikes(context, listed, around)
    evidence = assess_shortlist(
        predictions,
        listed.images,
        codes,
        decoys.words,
        context.encoded.n,
        context.ensemble.indices,
        around,
        listed.unit_numbers,
        drawn_together(
            groups,
            listed.unit_numbers,
            context.assignment,
            decoys.count,
            serving_of(context.ensemble),
            context.ensemble.membership_of,
            seed_of_image(subject.image_sha256),
        ),
    )
    rightsholders = rightsholder_tests(
        context.registry,
        context.ensemble,
        context.encoded,
        flat,
        predictions,
        around,
        order,
        context.assignment,
        context.decoys.words,
        context.settings.shortlist,
        seed_of_image(subject.image_sha256),
    )
    return Findings(
        subject=subject,
        image=image,
        shortlisted=listed,
        codes=codes,
        decoys=decoys,
        evidence=evidence,
        rightsholders=rightsholders,
        look_alikes=tuple(groups),
        shares=_shares(context, subject, predictions, listed, decoys, around, groups),
        neighbours=around.units,
        steps=steps_used(predictions),
        timings={"rank": rank_seconds, "test": time.monotonic() - begun},
    )


def _look_alikes(context: AuditContext, listed: Shortlisted, around: Neighbours) -> list[Int64[np.ndarray, " place"]]:
    """Places of the shortlist that are tested as one; none where units have many works."""
    encoded = context.encoded
    if not encoded.index.single or not len(around.units):
        return []
    rows = np.array([encoded.index.rows_of(int(unit))[0] for unit in listed.unit_numbers], dtype=np.int64)
    near = near_fingerprints(context.registry, encoded.asset_ids[rows])
    return look_alikes(listed.images, around.images.mean(axis=0), near)


def _shares(
    context: AuditContext,
    subject: Subject,
    predictions: MemberPredictions,
    listed: Shortlisted,
    decoys: Decoys,
    around: Neighbours,
    groups: Sequence[Int64[np.ndarray, " place"]],
) -> Shares | NotMeasured:
    """The parts of an output of these members."""
    if subject.kind == "image":
        return NotMeasured(NOT_OURS)
    ensemble = context.ensemble
    return shares_of(
        mean_predictions(predictions),
        listed.images,
        context.encoded.membership[listed.unit_numbers],
        ensemble.membership_of(decoys.words.ravel()).reshape(*decoys.words.shape, len(ensemble.indices)),
        around.without(listed.unit_numbers),
        groups,
        seed_of_image(subject.image_sha256),
    )


def decoys_of(context: AuditContext, units: Int64[np.ndarray, " unit"]) -> Decoys:
    """Decoys of shortlisted units: the same for all units of plain codes.

    Raises:
        UsageError: no code is left to test with.
    """
    if context.assignment.groups is None:
        return context.decoys
    found = context.assignment.decoys(units, context.settings.decoy_limit, DECOY_SEED, serving_of(context.ensemble))
    if len(units) and not found.count:
        raise UsageError(_no_decoys(context.ensemble, context.assignment))
    return found


def serving_of(ensemble: ServingEnsemble) -> tuple[int, ...] | None:
    """The members whose bits count in a test; None: all."""
    return None if ensemble.complete else ensemble.indices


def shown_decoys(ensemble: ServingEnsemble, assignment: Assignment, limit: int) -> Decoys:
    """The decoys of plain codes; where codes nest, those of the first units with a contrast."""
    serving = serving_of(ensemble)
    tested = np.flatnonzero(~assignment.without_contrast(assignment.codes, serving))
    spread = tested[:: max(1, len(tested) // MOST_SHOWN)][:MOST_SHOWN]
    found = assignment.decoys(spread, limit, DECOY_SEED, serving)
    if found.words.ndim == 2:
        found = replace(found, words=np.unique(found.words)[:limit])
    if not found.count:
        raise UsageError(_no_decoys(ensemble, assignment))
    return found


def _no_decoys(ensemble: ServingEnsemble, assignment: Assignment) -> str:
    if ensemble.complete:
        return (
            f"encoding {ensemble.encoding.id} gives all its codes to its {len(assignment.codes)} units, which leaves no "
            "decoy to test against: encode with more members"
        )
    return (
        f"the {len(ensemble.indices)} members that served leave no decoy with a contrast to test against: "
        f"run `creditline retrain --ensemble {ensemble.id}` and generate again"
    )
