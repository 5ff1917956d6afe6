"""Choosing a scale, and fusing several rankers, by cross-fitted member-LDS.

Rankers complement each other, so their scores are added: standardised per image over the units
(mean 0, deviation 1), then summed with non-negative weights that add up to 1. Weights come from a
coarse grid of the simplex, in quarters, each ranker at the scale that grades best by itself: a grid
since a rank correlation has no gradient, a coarse one since a dozen members tell few candidates
apart. Weights are non-negative since a ranker with a grade below 0 is noise. Of equal grades the
most even weights win.

A dozen members cannot order rankers of similar quality, and the best of many weights is often the
luckiest. Retraining found the ranker :data:`PREFERRED` to be the best single one. If present, it is
used alone unless other weights grade better by more than :data:`CLEARLY` standard errors over
images.

No choice grades itself: each half of the images (every other one) is graded under the choice made
on the other half. The choice in use is made on all images. It depends on the codes, through
member-LDS, so it may order the display but never decide what is tested.

All functions need only the sums of standardised scores over the units that each member saw, which
add up like the scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from attribution.ranking.rankers.member_lds import MemberLds, correlations_of, interval_over_members, summarise

STEPS = 4
"""Weights are multiples of 1 / STEPS."""
PREFERRED = "gradients"
CLEARLY = 2.0


@dataclass(frozen=True, eq=False)
class SummedScores:
    """One ranker's sums of standardised scores over the units that each member saw."""

    name: str
    scales: tuple[float, ...]
    seen: Float64[np.ndarray, "scale image member"]


@dataclass(frozen=True)
class WeightedRanker:
    """One ranker of a fusion."""

    name: str
    scale: float
    weight: float

    def to_json(self) -> dict[str, Any]:
        """The entry in an audit."""
        return {"name": self.name, "scale": self.scale, "weight": self.weight}


@dataclass(frozen=True)
class Fusion:
    """Rankers, scales and weights chosen on all images, and the cross-fitted grade."""

    parts: tuple[WeightedRanker, ...]
    """Rankers with a weight above 0, heaviest first."""
    grade: MemberLds | None
    """None: too few images."""
    by_scale: tuple[tuple[float, ...], ...]
    """Per ranker, mean member-LDS over all images by scale: basis of the choice, no grade."""


def fit_fusion(rankers: Sequence[SummedScores], member_loss: Float64[np.ndarray, "image member"]) -> Fusion:
    """Choose scales and weights, and grade the choice by cross-fitting."""
    everything = np.ones(len(member_loss), dtype=np.bool_)
    tables = [_correlations(ranker, member_loss) for ranker in rankers]
    first = np.arange(len(member_loss)) % 2 == 0
    fused = np.empty_like(member_loss)
    if first.any() and not first.all():
        for half in (first, ~first):
            fused[half] = _fused(rankers, *_choose(rankers, tables, member_loss, ~half))[half]
        grade = summarise(correlations_of(fused, member_loss))
    else:
        grade = None
    scales, weights = _choose(rankers, tables, member_loss, everything)
    parts = [
        WeightedRanker(ranker.name, ranker.scales[scale], float(weight))
        for ranker, scale, weight in zip(rankers, scales, weights, strict=True)
        if weight > 0
    ]
    if grade is not None:
        over_members = interval_over_members(fused, member_loss)
        grade = MemberLds(grade.value, grade.low, grade.high, grade.samples, over_members)
    means = tuple(tuple(float(mean) for mean in table.mean(axis=1)) for table in tables)
    return Fusion(tuple(sorted(parts, key=lambda part: -part.weight)), grade, means)


def weight_grid(rankers: int) -> Float64[np.ndarray, "choice ranker"]:
    """All weights of the simplex in steps of 1 / STEPS, most even first."""
    places = STEPS + rankers - 1
    # Stars and bars: the weights are the gaps between the bars.
    bars = [(-1, *chosen, places) for chosen in combinations(range(places), rankers - 1)]
    grid = (np.diff(np.array(bars), axis=1) - 1) / STEPS
    return np.asarray(grid[np.argsort((grid**2).sum(axis=1), kind="stable")], dtype=np.float64)


def _correlations(
    ranker: SummedScores, member_loss: Float64[np.ndarray, "image member"]
) -> Float64[np.ndarray, "scale image"]:
    return np.stack([correlations_of(seen, member_loss) for seen in ranker.seen])


def _choose(
    rankers: Sequence[SummedScores],
    tables: Sequence[Float64[np.ndarray, "scale image"]],
    member_loss: Float64[np.ndarray, "image member"],
    images: Bool[np.ndarray, " image"],
) -> tuple[list[int], Float64[np.ndarray, " ranker"]]:
    """Per ranker, the best scale on these images; and the best weights at these scales."""
    scales = [int(table[:, images].mean(axis=1).argmax()) for table in tables]
    grid = weight_grid(len(rankers))
    if len(grid) == 1:
        return scales, grid[0]
    stacked = np.stack([ranker.seen[scale][images] for ranker, scale in zip(rankers, scales, strict=True)])
    grades = np.array([correlations_of(np.einsum("r,rim->im", row, stacked), member_loss[images]) for row in grid])
    best = int(np.argmax(np.round(grades.mean(axis=1), 12)))
    names = [ranker.name for ranker in rankers]
    if PREFERRED in names:
        alone = int(np.flatnonzero(grid[:, names.index(PREFERRED)] == 1.0)[0])
        gain = grades[best] - grades[alone]
        if len(gain) < 2 or gain.mean() <= CLEARLY * gain.std(ddof=1) / len(gain) ** 0.5:
            return scales, grid[alone]
    return scales, grid[best]


def _fused(
    rankers: Sequence[SummedScores], scales: Sequence[int], weights: Float64[np.ndarray, " ranker"]
) -> Float64[np.ndarray, "image member"]:
    return sum(
        (weight * ranker.seen[scale] for ranker, scale, weight in zip(rankers, scales, weights, strict=True)),
        start=np.zeros(rankers[0].seen.shape[1:]),
    )
