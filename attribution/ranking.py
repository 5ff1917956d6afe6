"""Layer 1 on a whole encoding: rank all units for an image, shortlist them, and say how good the ranking is.

The order of what is tested never depends on the codes, see :mod:`attribution.rankers.interface`. The scale that is displayed, and
the member-LDS that is reported, are chosen over all samples of the ensemble, with the codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64, UInt64

from attribution.pixels import to_unit_range
from attribution.rankers.interface import Ranker, shortlist, unit_scores
from attribution.rankers.member_lds import FEWEST_IMAGES, MemberLds, member_correlations, summarise
from attribution.rankers.pixel_kernel import mean_squared_differences
from attribution.training_set import TrainingSet
from registry.codes import bits
from registry.database import Registry
from registry.encodings import load_units
from registry.manifests import ManifestEncoding
from registry.queries import training_assets

WORK_BANDWIDTH = 0.01
"""Bandwidth of the weights of a unit's works in its test. Fixed, since a chosen one would know a little of the codes."""
IMAGES_AT_ONCE = 16
"""Images that are graded together: bounds memory, changes nothing else."""
DEFAULT_SCALE = 0.01
"""Scale that is displayed where too few samples exist to choose one."""


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

    @property
    def membership(self) -> Bool[np.ndarray, "unit member"]:
        """Which member saw which unit."""
        return bits(self.codes, self.n)


@dataclass(frozen=True)
class ScaleChoice:
    """Which of a ranker's scales is displayed, and how the ensemble grades it."""

    scale: float
    grade: MemberLds | None
    by_scale: tuple[float, ...]
    """Mean member-LDS per scale of the grid; empty where it was not measured."""

    def to_json(self, ranker: Ranker) -> dict[str, Any]:
        """As it is stored with an audit."""
        reason = f"fewer than {FEWEST_IMAGES} samples of this ensemble; generate more and audit again"
        return {
            "name": ranker.name,
            "bandwidth": self.scale,
            "bandwidths": list(ranker.scales),
            "member_lds": {"not_measured": reason} if self.grade is None else self.grade.to_json(),
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


def load_corpus(registry: Registry, encoding: ManifestEncoding, training_set: TrainingSet) -> Corpus:
    """Put an ensemble's works and units side by side."""
    units = load_units(registry, encoding.id)
    assets = training_assets(registry, encoding.id, None)
    pixels = np.moveaxis(np.asarray(training_set.pixels), -1, 1)
    return Corpus(
        works=to_unit_range(pixels.reshape(len(pixels), -1)),
        unit_of_work=assets.unit_numbers,
        asset_ids=assets.asset_ids,
        paths=assets.paths,
        hashes=training_set.hashes,
        codes=units.codes,
        n=encoding.n,
    )


def choose_scale(
    ranker: Ranker,
    corpus: Corpus,
    images: Float[np.ndarray, "image value"],
    member_loss: Float64[np.ndarray, "image member"],
) -> ScaleChoice:
    """The scale with the best member-LDS over ``images``, samples of the ensemble with their members' losses."""
    if len(images) < FEWEST_IMAGES:
        nearest = min(ranker.scales, key=lambda scale: abs(np.log(scale / DEFAULT_SCALE)))
        return ScaleChoice(nearest, None, ())
    membership = corpus.membership
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
    """Rank all units for one image in [0, 1] and prepare the first ``length`` for the test."""
    work_scores = ranker.score(image[None], corpus.works)[:, 0]
    scores = unit_scores(work_scores, corpus.unit_of_work, len(corpus.codes))
    chosen = shortlist(scores, length)
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
    return Shortlisted(chosen, displayed[chosen], np.stack(images), displayed, tuple(works))
