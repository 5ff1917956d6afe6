"""Choosing a scale, and fusing several rankers, by cross-fitted member-LDS.

Similarity and gradients know different things, so their scores are added: standardised per image
over the units (mean 0, deviation 1), then summed under weights that are not negative and add up to
1. Weights come from a coarse grid of the simplex, in quarters, each ranker at the scale that grades
best by itself. A grid, since a rank correlation has no gradient, and a coarse one, since an
ensemble of a dozen members can tell few candidates apart; no weight is negative, since a ranker
that grades below 0 is noise to be left out and not a signal to be turned round. Of equal grades the
most even weights count.

So few members cannot order rankers that are close, and the best of many weights is often the
luckiest. Where the ranker :data:`PREFERRED` is among them, which retraining found to be the best
single one, it is used alone unless other weights grade better by more than :data:`CLEARLY` standard
errors over images.

What was chosen on some images is graded on others: each half of the images (every other one) is
graded under the choice that the other half makes, so that no choice grades itself. What is used
afterwards is the choice of all images together. It has seen the codes, through member-LDS, and may
therefore order what is displayed, never choose what is tested.

Everything here needs, of each ranker, only the sums of standardised scores that each member saw,
and these add up like the scores.
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
class Graded:
    """One ranker's sums, over what each member saw, of standardised scores; the raw material of all
    grades.
    """

    name: str
    scales: tuple[float, ...]
    seen: Float64[np.ndarray, "scale image member"]


@dataclass(frozen=True)
class Part:
    """One ranker of a fusion."""

    name: str
    scale: float
    weight: float

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {"name": self.name, "scale": self.scale, "weight": self.weight}


@dataclass(frozen=True)
class Fit:
    """Rankers, scales and weights that were chosen on all images, and the grade of choosing so."""

    parts: tuple[Part, ...]
    """Those with a weight, heaviest first."""
    grade: MemberLds | None
    """Cross-fitted; None for too few images."""
    by_scale: tuple[tuple[float, ...], ...]
    """Per ranker, its mean member-LDS at every scale, over all images: what the choice was made
    from, not a grade of it."""


def fit(rankers: Sequence[Graded], member_loss: Float64[np.ndarray, "image member"]) -> Fit:
    """Choose scales and weights, and grade the choice on images that it was not made on."""
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
        Part(ranker.name, ranker.scales[scale], float(weight))
        for ranker, scale, weight in zip(rankers, scales, weights, strict=True)
        if weight > 0
    ]
    if grade is not None:
        over_members = interval_over_members(fused, member_loss)
        grade = MemberLds(grade.value, grade.low, grade.high, grade.samples, over_members)
    means = tuple(tuple(float(mean) for mean in table.mean(axis=1)) for table in tables)
    return Fit(tuple(sorted(parts, key=lambda part: -part.weight)), grade, means)


def weight_grid(rankers: int) -> Float64[np.ndarray, "choice ranker"]:
    """All weights of the simplex in steps of 1 / STEPS, the most even ones first."""
    places = STEPS + rankers - 1
    # Stars and bars: the weights are the gaps between the bars.
    bars = [(-1, *chosen, places) for chosen in combinations(range(places), rankers - 1)]
    grid = (np.diff(np.array(bars), axis=1) - 1) / STEPS
    return np.asarray(grid[np.argsort((grid**2).sum(axis=1), kind="stable")], dtype=np.float64)


def _correlations(
    ranker: Graded, member_loss: Float64[np.ndarray, "image member"]
) -> Float64[np.ndarray, "scale image"]:
    return np.stack([correlations_of(seen, member_loss) for seen in ranker.seen])


def _choose(
    rankers: Sequence[Graded],
    tables: Sequence[Float64[np.ndarray, "scale image"]],
    member_loss: Float64[np.ndarray, "image member"],
    images: Bool[np.ndarray, " image"],
) -> tuple[list[int], Float64[np.ndarray, " ranker"]]:
    """Per ranker the scale that grades best on these images, and then the weights that do."""
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
    rankers: Sequence[Graded], scales: Sequence[int], weights: Float64[np.ndarray, " ranker"]
) -> Float64[np.ndarray, "image member"]:
    return sum(
        (weight * ranker.seen[scale] for ranker, scale, weight in zip(rankers, scales, weights, strict=True)),
        start=np.zeros(rankers[0].seen.shape[1:]),
    )
