"""Layer 1 on a whole encoding: rank all units for an image, shortlist them, and say how good the ranking is.

The order of what is tested never depends on the codes, see :mod:`attribution.rankers.interface`. The scale that is displayed, and
the member-LDS that is reported, are chosen over all samples of the ensemble, with the codes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64, UInt64

from attribution.pixels import to_unit_range
from attribution.rankers.interface import Ranker, shortlist, unit_scores
from attribution.rankers.member_lds import FEWEST_IMAGES, MemberLds, member_correlations, summarise
from attribution.rankers.pixel_kernel import mean_squared_differences
from attribution.references import EnsembleReference
from attribution.training_set import TrainingSet
from registry.database import Registry
from registry.encodings import load_units
from registry.errors import UsageError
from registry.queries import training_assets
from registry.service import withdrawn_works

WORK_BANDWIDTH = 0.01
"""Bandwidth of the weights of a unit's works in its test. Fixed, since a chosen one would know a little of the codes."""
IMAGES_AT_ONCE = 16
"""Images that are graded together: bounds memory, changes nothing else."""
DEFAULT_SCALE = 0.01
"""Scale that is displayed where too few samples exist to choose one."""
FEWEST_MEMBERS = 3
"""Below this a correlation over members says nothing."""
SEEN_BY_NONE = "none of the members that served saw it"
SEEN_BY_ALL = "every member that served saw it, so there is nothing to compare with"
WITHDRAWN_IN_PART = "works of it were withdrawn, and not all members served"
NO_WORKS = "its works were withdrawn before they were prepared for comparison"


@dataclass(frozen=True)
class Corpus:
    """The works and units of one ensemble, in memory."""

    works: Float32[np.ndarray, "work value"]
    """In [0, 1], flattened channel by channel, as torch has images."""
    unit_of_work: Int64[np.ndarray, " work"]
    asset_ids: Int64[np.ndarray, " work"]
    paths: list[Path]
    hashes: list[str]
    codes: UInt64[np.ndarray, " unit"]
    n: int
    membership: Bool[np.ndarray, "unit member"]
    """Which of the members that serve saw some work of which unit."""
    not_testable: dict[int, str]
    """Units that cannot be tested, and why; none where all members serve and nothing was withdrawn."""


@dataclass(frozen=True)
class ScaleChoice:
    """Which of a ranker's scales is displayed, and how the ensemble grades it."""

    scale: float
    grade: MemberLds | None
    by_scale: tuple[float, ...]
    """Mean member-LDS per scale of the grid; empty where it was not measured."""
    not_graded: str = f"fewer than {FEWEST_IMAGES} samples of this ensemble; generate more and audit again"
    """Why there is no grade, where there is none."""

    def to_json(self, ranker: Ranker) -> dict[str, Any]:
        """As it is stored with an audit."""
        return {
            "name": ranker.name,
            "bandwidth": self.scale,
            "bandwidths": list(ranker.scales),
            "member_lds": {"not_measured": self.not_graded} if self.grade is None else self.grade.to_json(),
            "member_lds_by_bandwidth": list(self.by_scale),
        }


@dataclass(frozen=True)
class Shortlisted:
    """One image's shortlist, best first, and what the test needs of it."""

    unit_numbers: Int64[np.ndarray, " place"]
    scores: Float64[np.ndarray, " place"]
    images: Float64[np.ndarray, "place value"]
    """Per unit, the weighted mean of its works, in [-1, 1]."""
    all_scores: Float64[np.ndarray, " unit"]
    """At the displayed scale."""
    works: tuple[tuple[tuple[int, float, float], ...], ...]
    """Per unit, its closest works: row of the corpus, mean squared difference, weight."""
    passed_over: tuple[tuple[int, int], ...]
    """Units that cannot be tested and were ranked before the last that is listed: unit, its rank among all units."""


def load_corpus(registry: Registry, ensemble: EnsembleReference, training_set: TrainingSet) -> Corpus:
    """Put an ensemble's works and units side by side, as far as the members that serve saw them.

    A withdrawn work that none of these members saw is no candidate and is left out.
    """
    units = load_units(registry, ensemble.encoding.id)
    assets = training_assets(registry, ensemble.encoding.id, None)
    with registry.connection() as connection:
        withdrawn = withdrawn_works(connection, ensemble.encoding.id)
    seen = np.stack(
        [
            withdrawn.seen_by(index, through)
            for index, through in zip(ensemble.indices, ensemble.withdrawn_through, strict=True)
        ],
        axis=1,
    )
    membership = membership_of_units(
        ensemble.membership_of(units.codes), units.unit_numbers, withdrawn.unit_numbers, seen
    )
    stored = {sha256: row for row, sha256 in enumerate(training_set.hashes)}
    unseen = withdrawn.asset_ids[~seen.any(axis=1)]
    left_out = np.isin(assets.asset_ids, unseen)
    kept = [row for row, sha256 in enumerate(assets.sha256) if sha256 in stored and not left_out[row]]
    pixels = np.asarray(training_set.pixels[[stored[assets.sha256[row]] for row in kept]])
    unit_of_work = assets.unit_numbers[kept]
    touched = set() if len(ensemble.indices) == ensemble.encoding.n else set(withdrawn.unit_numbers.tolist())
    return Corpus(
        works=to_unit_range(np.moveaxis(pixels, -1, 1).reshape(len(kept), -1)),
        unit_of_work=unit_of_work,
        asset_ids=assets.asset_ids[kept],
        paths=[assets.paths[row] for row in kept],
        hashes=[assets.sha256[row] for row in kept],
        codes=units.codes,
        n=ensemble.encoding.n,
        membership=membership,
        not_testable=reasons_not_to_test(membership, touched, set(unit_of_work.tolist())),
    )


def membership_of_units(
    bits_of_unit: Bool[np.ndarray, "unit member"],
    unit_of_work: Int64[np.ndarray, " work"],
    unit_of_withdrawn: Int64[np.ndarray, " withdrawn"],
    seen: Bool[np.ndarray, "withdrawn member"],
) -> Bool[np.ndarray, "unit member"]:
    """Which member saw some work of which unit: its bit says so, unless all works of the unit were left out for it.

    Args:
        bits_of_unit: the codes' bits of the members that serve.
        unit_of_work: the unit of every work of the encoding.
        unit_of_withdrawn: the unit of every withdrawn work.
        seen: whether the member nevertheless trained on the withdrawn work.
    """
    unseen = np.zeros(bits_of_unit.shape, dtype=np.int64)
    np.add.at(unseen, unit_of_withdrawn, bits_of_unit[unit_of_withdrawn] & ~seen)
    works = np.bincount(unit_of_work, minlength=len(bits_of_unit))
    return np.asarray(bits_of_unit & (unseen < works[:, None]))


def reasons_not_to_test(
    membership: Bool[np.ndarray, "unit member"], touched: Collection[int], present: Collection[int]
) -> dict[int, str]:
    """Why units cannot be tested; see :mod:`attribution.evidence` for why leaving them out keeps the test exact.

    Args:
        membership: of the members that serve.
        touched: units of which works were withdrawn, where not all members serve.
        present: units that have works to compare with.
    """
    reasons = {int(unit): SEEN_BY_ALL for unit in np.flatnonzero(membership.all(axis=1))}
    reasons |= dict.fromkeys(touched, WITHDRAWN_IN_PART)
    reasons |= {int(unit): SEEN_BY_NONE for unit in np.flatnonzero(~membership.any(axis=1))}
    return reasons | {unit: NO_WORKS for unit in range(len(membership)) if unit not in present and unit not in reasons}


def choose_scale(
    ranker: Ranker,
    corpus: Corpus,
    images: Float[np.ndarray, "image value"],
    member_loss: Float64[np.ndarray, "image member"],
) -> ScaleChoice:
    """The scale with the best member-LDS over ``images``, samples of the ensemble with their members' losses."""
    nearest = min(ranker.scales, key=lambda scale: abs(np.log(scale / DEFAULT_SCALE)))
    membership = corpus.membership
    if len(images) < FEWEST_IMAGES:
        return ScaleChoice(nearest, None, ())
    if membership.shape[1] < FEWEST_MEMBERS:
        return ScaleChoice(nearest, None, (), f"fewer than {FEWEST_MEMBERS} members served; run `creditline retrain`")
    blocks = []
    for start in range(0, len(images), IMAGES_AT_ONCE):
        rows = slice(start, start + IMAGES_AT_ONCE)
        scores = unit_scores(ranker.score(images[rows], corpus.works), corpus.unit_of_work, len(corpus.codes))
        blocks.append(np.stack([member_correlations(scale, member_loss[rows], membership) for scale in scores]))
    table = np.concatenate(blocks, axis=1)
    means = table.mean(axis=1)
    return ScaleChoice(
        ranker.scales[int(means.argmax())], summarise(cross_fitted(table)), tuple(float(mean) for mean in means)
    )


def cross_fitted(correlations: Float64[np.ndarray, "scale image"]) -> Float64[np.ndarray, " image"]:
    """Each image at the scale that the other half of the images would choose: a choice must not grade itself."""
    count = correlations.shape[1]
    first = np.arange(count) % 2 == 0
    graded = np.empty(count)
    for half in (first, ~first):
        graded[half] = correlations[correlations[:, ~half].mean(axis=1).argmax(), half]
    return graded


def shortlist_for(
    ranker: Ranker, corpus: Corpus, image: Float[np.ndarray, " value"], scale: float, length: int, works_per_unit: int
) -> Shortlisted:
    """Rank all units for one image in [0, 1] and prepare the first ``length`` that can be tested.

    Raises:
        UsageError: no unit can be tested.
    """
    work_scores = ranker.score(image[None], corpus.works)[:, 0]
    scores = unit_scores(work_scores, corpus.unit_of_work, len(corpus.codes))
    ranked = shortlist(scores, len(corpus.codes))
    testable = np.array([int(unit) not in corpus.not_testable for unit in ranked])
    chosen = ranked[testable][:length]
    if not len(chosen):
        raise UsageError("none of the units can be tested by the members that served: run `creditline retrain` first")
    last = int(np.flatnonzero(testable)[len(chosen) - 1])
    passed_over = tuple((int(ranked[place]), int(place) + 1) for place in np.flatnonzero(~testable[:last]))
    displayed = scores[list(ranker.scales).index(scale)]
    differences = mean_squared_differences(image[None], corpus.works)[0]
    images, works = [], []
    for unit in chosen:
        rows = np.flatnonzero(corpus.unit_of_work == unit)
        weights = np.exp(-(differences[rows] - differences[rows].min()) / WORK_BANDWIDTH)
        weights /= weights.sum()
        images.append(weights @ (2.0 * corpus.works[rows].astype(np.float64) - 1.0))
        closest = np.argsort(differences[rows], kind="stable")[:works_per_unit]
        works.append(tuple((int(rows[k]), float(differences[rows[k]]), float(weights[k])) for k in closest))
    return Shortlisted(chosen, displayed[chosen], np.stack(images), displayed, tuple(works), passed_over)
