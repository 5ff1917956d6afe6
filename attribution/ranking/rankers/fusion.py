"""Choosing a ranker, a scale and a fusion by member-LDS, and grading the choice by cross-fitting.

Rankers complement each other, so their scores can be added: standardised per image over the units
(mean 0, deviation 1), then summed with non-negative weights that add up to 1. Weights come from a
coarse grid of the simplex, in quarters, each ranker at the scale that grades best by itself: a grid
since a rank correlation has no gradient, a coarse one since a dozen members tell few candidates
apart. Weights are non-negative since a ranker with a grade below 0 is noise.

A dozen members cannot order rankers of similar quality, and the best of many is often the luckiest.
So the choice starts simple and needs a reason for each step:

1. the first of :data:`PREFERRED` that is there, else the ranker that was named first, alone;
2. another ranker alone, at any of its scales;
3. a fusion of several.

A later step replaces an earlier one only if the 95 % interval of its gain over images *and* members
(:func:`attribution.ranking.rankers.member_lds.gain_over`) lies above zero. All alternatives of a
step share one margin, so that many of them have no more chance than one. Scales are settings of one
ranker, none simpler than another: the best scale is taken. Where scales are known from other images
(:func:`fit_fusion`), these are the simpler ones, and another scale is one more alternative.

No choice grades itself: each half of the images (every other one) is graded under the choice made
on the other half. The choice in use is made on all images. It depends on the codes, through
member-LDS, so it may order the display but never decide what is tested.

All functions need only the sums of standardised scores over the units that each member saw, which
add up like the scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from attribution.ranking.rankers.member_lds import Gain, MemberLds, correlations_of, gain_over, grade_of

STEPS = 4
"""Weights are multiples of 1 / STEPS."""
PREFERRED = ("gradients", "base-gradients", "pixel-kernel")
"""The simplest choice: the first of these that is there. Retraining found `gradients` to be the
best single ranker, and on adapters `base-gradients`, which need no reference model, to be better
than the pixel kernel."""


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
class Comparison:
    """The best of several alternatives beside a simpler choice."""

    simpler: tuple[WeightedRanker, ...]
    best: tuple[WeightedRanker, ...]
    alternatives: int
    """Number of alternatives that share the margin of the interval."""
    gain: Gain
    """Member-LDS of the best alternative minus that of the simpler choice."""

    def to_json(self) -> dict[str, Any]:
        """The entry in an audit."""
        return {
            "simpler": [part.to_json() for part in self.simpler],
            "best": [part.to_json() for part in self.best],
            "alternatives": self.alternatives,
            "gain": {"value": self.gain.value, "low": self.gain.low, "high": self.gain.high},
            "replaced": self.gain.clear,
        }


@dataclass(frozen=True)
class Fusion:
    """Rankers, scales and weights chosen on all images, and the cross-fitted grade."""

    parts: tuple[WeightedRanker, ...]
    """Rankers with a weight above 0, heaviest first."""
    grade: MemberLds | None
    """None: too few images or members."""
    by_scale: tuple[tuple[float, ...], ...]
    """Per ranker, mean member-LDS over all images by scale: basis of the choice, no grade."""
    comparisons: tuple[Comparison, ...] = ()
    """The steps of the choice, in order; empty: there was no alternative, or too few images."""


def fit_fusion(
    rankers: Sequence[SummedScores],
    member_loss: Float64[np.ndarray, "image member"],
    known: Mapping[str, float] | None = None,
) -> Fusion:
    """Choose scales and weights, and grade the choice by cross-fitting.

    ``member_loss``: NaN leaves the member out for the image. ``known``: by ranker, the scale that
    was chosen on other images; None: choose the scales here.
    """
    everything = np.ones(len(member_loss), dtype=np.bool_)
    tables = [_correlations(ranker, member_loss) for ranker in rankers]
    first = np.arange(len(member_loss)) % 2 == 0
    fused, grade = np.zeros(member_loss.shape), None
    if first.any() and not first.all():
        for half in (first, ~first):
            fused[half] = _choose(rankers, tables, member_loss, ~half, known).scores(rankers)[half]
        grade = grade_of(fused, member_loss)
    chosen = _choose(rankers, tables, member_loss, everything, known)
    means = tuple(tuple(float(mean) for mean in table.mean(axis=1)) for table in tables)
    return Fusion(chosen.parts(rankers), grade, means, chosen.comparisons)


def weight_grid(rankers: int) -> Float64[np.ndarray, "choice ranker"]:
    """All weights of the simplex in steps of 1 / STEPS, most even first."""
    places = STEPS + rankers - 1
    # Stars and bars: the weights are the gaps between the bars.
    bars = [(-1, *chosen, places) for chosen in combinations(range(places), rankers - 1)]
    grid = (np.diff(np.array(bars), axis=1) - 1) / STEPS
    return np.asarray(grid[np.argsort((grid**2).sum(axis=1), kind="stable")], dtype=np.float64)


def simplest(names: Sequence[str]) -> int:
    """The place of the ranker that is used alone until another choice grades clearly better."""
    return next((list(names).index(name) for name in PREFERRED if name in names), 0)


@dataclass(frozen=True, eq=False)
class _Chosen:
    """Scales and weights by ranker, and the comparisons that led to them."""

    scales: tuple[int, ...]
    weights: tuple[float, ...]
    comparisons: tuple[Comparison, ...] = ()

    def scores(self, rankers: Sequence[SummedScores]) -> Float64[np.ndarray, "image member"]:
        """The weighted sums."""
        return sum(
            (w * ranker.seen[scale] for ranker, scale, w in zip(rankers, self.scales, self.weights, strict=True) if w),
            start=np.zeros(rankers[0].seen.shape[1:]),
        )

    def parts(self, rankers: Sequence[SummedScores]) -> tuple[WeightedRanker, ...]:
        """Rankers with a weight above 0, heaviest first."""
        parts = [
            WeightedRanker(ranker.name, ranker.scales[scale], float(weight))
            for ranker, scale, weight in zip(rankers, self.scales, self.weights, strict=True)
            if weight > 0
        ]
        return tuple(sorted(parts, key=lambda part: -part.weight))


def _correlations(
    ranker: SummedScores, member_loss: Float64[np.ndarray, "image member"]
) -> Float64[np.ndarray, "scale image"]:
    return np.stack([correlations_of(seen, member_loss) for seen in ranker.seen])


def _choose(
    rankers: Sequence[SummedScores],
    tables: Sequence[Float64[np.ndarray, "scale image"]],
    member_loss: Float64[np.ndarray, "image member"],
    images: Bool[np.ndarray, " image"],
    known: Mapping[str, float] | None,
) -> _Chosen:
    """The choice on these images, from the simplest ranker on."""
    count, base = len(rankers), simplest([ranker.name for ranker in rankers])
    if known is None:
        scales = tuple(int(table[:, images].mean(axis=1).argmax()) for table in tables)
    else:
        scales = tuple(ranker.scales.index(known[ranker.name]) for ranker in rankers)
    chosen = _Chosen(scales, _alone(base, count))
    singles = [
        _Chosen((*scales[:place], scale, *scales[place + 1 :]), _alone(place, count))
        for place, ranker in enumerate(rankers)
        for scale in range(len(ranker.scales))
        if place != base or (known is not None and scale != scales[base])
    ]
    chosen = _compared(rankers, chosen, singles, member_loss, images)
    grid = weight_grid(count).tolist()
    fusions = [_Chosen(chosen.scales, tuple(row)) for row in grid if sum(w > 0 for w in row) > 1]
    return _compared(rankers, chosen, fusions, member_loss, images)


def _compared(
    rankers: Sequence[SummedScores],
    simpler: _Chosen,
    alternatives: Sequence[_Chosen],
    member_loss: Float64[np.ndarray, "image member"],
    images: Bool[np.ndarray, " image"],
) -> _Chosen:
    """The best alternative if its gain is clear, else the simpler choice."""
    if not alternatives:
        return simpler
    found = gain_over(
        simpler.scores(rankers)[images], [one.scores(rankers)[images] for one in alternatives], member_loss[images]
    )
    if found is None:
        return simpler
    best, gain = alternatives[found[0]], found[1]
    step = Comparison(simpler.parts(rankers), best.parts(rankers), len(alternatives), gain)
    kept = best if gain.clear else simpler
    return _Chosen(kept.scales, kept.weights, (*simpler.comparisons, step))


def _alone(place: int, count: int) -> tuple[float, ...]:
    return tuple(float(one == place) for one in range(count))
