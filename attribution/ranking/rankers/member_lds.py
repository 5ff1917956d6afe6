"""member-LDS: the ensemble grades a ranker without retraining.

The linear datamodeling score (Park et al. 2023, "TRAK") asks whether the sum of a ranker's scores
over a training set predicts the loss of a model trained on it, over many models trained on random
halves of the data. The members of an encoded ensemble are such models. For each image, the centred
scores of the works that a member saw are summed and rank-correlated, over the members, with minus
the member's denoising loss on the image. A loss of NaN leaves the member out for that image.

All images share the members: a member's peculiarities, and a ranker's luck with the codes, show in
every image. An interval over images alone is therefore too narrow, however many images there are.
Here images and members are drawn with replacement, independently of each other, and a pair counts
as often as its image times its member: the pigeonhole bootstrap for crossed random effects (Owen
2007, "The pigeonhole bootstrap", Annals of Applied Statistics 1, 386-411). Owen shows that it does
not understate the variance, and overstates it where the two effects are small. The interval is the
value and Student's t times the deviation over draws, with one degree of freedom less than there are
images or members, whichever are fewer: a dozen members estimate a deviation poorly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64
from scipy import stats

from attribution.metrics.statistics import CONFIDENCE, PERCENTILES, bootstrap_interval
from registry.errors import UsageError

DRAWS = 400
"""Bootstrap draws of images and members."""
DRAWN_IMAGES = 128
"""Images for the bootstrap, at most, spread over all images: fewer make an interval wider."""
FEWEST_IMAGES = 3
"""Fewest images for an interval over images."""
FEWEST_MEMBERS = 3
"""Fewest members for a correlation over members."""
TWO_WAY = "pigeonhole bootstrap over images and members"
"""The method of an interval."""


@dataclass(frozen=True)
class MemberLds:
    """Mean rank correlation over images, with 95 % bootstrap intervals."""

    value: float
    low: float
    high: float
    """The interval over images and members together, unless ``interval`` says otherwise."""
    samples: int
    """Number of images."""
    over_images: tuple[float, float] | None = None
    """The interval if the members were fixed; None: not computed."""
    over_members: tuple[float, float] | None = None
    """The interval if the images were fixed; None: not computed."""
    interval: str = TWO_WAY
    """Method of the interval."""

    def to_json(self) -> dict[str, Any]:
        """The entry in an audit."""
        facts: dict[str, Any] = {"value": self.value, "low": self.low, "high": self.high, "samples": self.samples}
        for name, bounds in (("images", self.over_images), ("members", self.over_members)):
            if bounds is not None:
                facts[f"{name}_low"], facts[f"{name}_high"] = bounds
        return {**facts, "interval": self.interval}


@dataclass(frozen=True)
class Gain:
    """How much more member-LDS one of several alternatives has than the simpler choice."""

    value: float
    low: float
    high: float
    """95 % interval over images and members, for all alternatives at once."""

    @property
    def clear(self) -> bool:
        """Whether the interval lies above 0."""
        return self.low > 0.0


@dataclass(frozen=True, eq=False)
class TwoWayDraws:
    """How often each image and each member was drawn, by draw."""

    images: Float32[np.ndarray, "draw image"]
    members: Float32[np.ndarray, "draw member"]

    @classmethod
    def of(cls, images: int, members: int, seed: int = 0) -> TwoWayDraws | None:
        """Independent draws with replacement of images and of members; None: too few of either."""
        if images < FEWEST_IMAGES or members < FEWEST_MEMBERS:
            return None
        generator = np.random.default_rng(seed)
        return cls(
            generator.multinomial(images, np.full(images, 1.0 / images), DRAWS).astype(np.float32),
            generator.multinomial(members, np.full(members, 1.0 / members), DRAWS).astype(np.float32),
        )

    def multiplier(self) -> float:
        """Student's t for the fewer of images and members."""
        fewer = min(self.images.shape[1], self.members.shape[1])
        return float(stats.t.ppf(0.5 + CONFIDENCE / 2, fewer - 1))


def correlations_of(
    seen: Float64[np.ndarray, "image member"], member_loss: Float64[np.ndarray, "image member"]
) -> Float64[np.ndarray, " image"]:
    """Per image, Spearman's correlation over members of ``seen`` with minus the loss.

    ``seen``: sums of centred scores over the works that each member saw. ``member_loss``: NaN
    leaves the member out for the image. 0: a side is constant, or too few members are left.
    """
    _check(seen, member_loss)
    everyone = np.ones((1, seen.shape[1]), dtype=np.float32)
    return np.asarray(np.nan_to_num(_drawn_correlations(seen, member_loss, everyone)[0].astype(np.float64)))


def drawn_means(
    seen: Float64[np.ndarray, "image member"], member_loss: Float64[np.ndarray, "image member"], draws: TwoWayDraws
) -> Float64[np.ndarray, " draw"]:
    """The mean correlation of every draw: of its images, over its members.

    An image counts in the draws that have at least :data:`FEWEST_MEMBERS` different members of it.
    """
    found = _drawn_correlations(seen, member_loss, draws.members)
    weight = np.where(np.isnan(found), 0.0, draws.images)
    total = weight.sum(axis=1)
    means = np.divide((weight * np.nan_to_num(found)).sum(axis=1), total, out=np.full(DRAWS, np.nan), where=total > 0)
    return np.asarray(np.where(np.isnan(means), np.nanmean(means) if (total > 0).any() else 0.0, means))


def grade_of(
    seen: Float64[np.ndarray, "image member"], member_loss: Float64[np.ndarray, "image member"], seed: int = 0
) -> MemberLds | None:
    """Mean correlation and its intervals; None: too few images or members."""
    correlations = correlations_of(seen, member_loss)
    rows = _spread(len(seen))
    draws = TwoWayDraws.of(len(rows), seen.shape[1], seed)
    if draws is None:
        return None
    value = float(correlations.mean())
    margin = draws.multiplier() * float(drawn_means(seen[rows], member_loss[rows], draws).std(ddof=1))
    return MemberLds(
        value=value,
        low=max(-1.0, value - margin),
        high=min(1.0, value + margin),
        samples=len(seen),
        over_images=interval_over_images(correlations, seed),
        over_members=interval_over_members(seen, member_loss, seed),
    )


def gain_over(
    simpler: Float64[np.ndarray, "image member"],
    alternatives: Sequence[Float64[np.ndarray, "image member"]],
    member_loss: Float64[np.ndarray, "image member"],
    seed: int = 0,
) -> tuple[int, Gain] | None:
    """The best alternative to a simpler choice, and its gain; None: too few images or members.

    The best of many looks better than it is. So the margin of all intervals is such that under
    equal grades even the best would not exceed it in 97.5 % of draws: White's reality check (2000)
    with each difference in units of its own deviation (Romano and Wolf 2005). Among alternatives
    with a clear gain the largest gain wins; without any, the one that is closest to clear.

    ``alternatives``: at least one; sums as ``simpler``.
    """
    rows = _spread(len(simpler))
    draws = TwoWayDraws.of(len(rows), simpler.shape[1], seed)
    if draws is None:
        return None
    before, drawn_before = correlations_of(simpler, member_loss), drawn_means(simpler[rows], member_loss[rows], draws)
    values, deviations, highest = [], [], np.full(DRAWS, -np.inf)
    for one in alternatives:
        values.append(float((correlations_of(one, member_loss) - before).mean()))
        differences = drawn_means(one[rows], member_loss[rows], draws) - drawn_before
        deviations.append(float(differences.std(ddof=1)))
        if deviations[-1] > 0.0:
            highest = np.maximum(highest, (differences - differences.mean()) / deviations[-1])
    gains, spread = np.round(values, 12), np.array(deviations)
    # Of a single alternative the drawn quantile is about the normal one; t replaces the normal.
    quantile = float(np.quantile(highest, PERCENTILES[1])) if spread.any() else 0.0
    among_many = max(1.0, quantile / float(stats.norm.ppf(PERCENTILES[1])))
    margins = draws.multiplier() * among_many * spread
    clear = gains - margins > 0.0
    best = int(np.where(clear, gains, -np.inf).argmax()) if clear.any() else int((gains - margins).argmax())
    return best, Gain(float(gains[best]), float(gains[best] - margins[best]), float(gains[best] + margins[best]))


def interval_over_images(correlations: Float64[np.ndarray, " image"], seed: int = 0) -> tuple[float, float]:
    """95 % bootstrap interval of the mean over draws of images; the members are fixed."""
    return bootstrap_interval(len(correlations), lambda draws: correlations[draws].mean(axis=1), seed)


def interval_over_members(
    seen: Float64[np.ndarray, "image member"], member_loss: Float64[np.ndarray, "image member"], seed: int = 0
) -> tuple[float, float] | None:
    """95 % bootstrap interval of the mean over draws of members; the images are fixed.

    None: too few images or members.
    """
    rows = _spread(len(seen))
    draws = TwoWayDraws.of(len(rows), seen.shape[1], seed)
    if draws is None:
        return None
    fixed = TwoWayDraws(np.ones_like(draws.images), draws.members)
    low, high = np.quantile(drawn_means(seen[rows], member_loss[rows], fixed), PERCENTILES)
    return float(low), float(high)


def _check(seen: np.ndarray, member_loss: np.ndarray) -> None:
    if seen.shape[0] != member_loss.shape[0]:
        raise UsageError(
            f"{seen.shape[0]} images with scores, {member_loss.shape[0]} with losses: expected equal numbers"
        )


def _spread(images: int) -> np.ndarray:
    """Rows of at most :data:`DRAWN_IMAGES` images, spread over all."""
    return np.linspace(0, images - 1, min(images, DRAWN_IMAGES)).round().astype(int)


def _drawn_correlations(
    seen: Float64[np.ndarray, "image member"],
    member_loss: Float64[np.ndarray, "image member"],
    counts: Float32[np.ndarray, "draw member"],
) -> Float32[np.ndarray, "draw image"]:
    """Spearman's correlation over members that count several times; NaN: too few members.

    Mid-ranks are linear in the counts: a centred rank is half the sum of the signs of the
    differences from all members. So one matrix product ranks the members of all draws.
    """
    usable = ~np.isnan(member_loss)
    times = usable[:, :, None] * counts.T[None]
    left, right = (_signs(side, usable) @ times for side in (seen, -member_loss))
    weighted = times * left
    scale = np.sqrt((weighted * left).sum(axis=1) * (times * right * right).sum(axis=1))
    agreement = (weighted * right).sum(axis=1)
    found = np.divide(agreement, scale, out=np.zeros_like(agreement), where=scale > 0)
    different = usable.astype(np.float32) @ (counts > 0).T.astype(np.float32)
    return np.asarray(np.where(different < FEWEST_MEMBERS, np.nan, found).T)


def _signs(side: Float64[np.ndarray, "image member"], usable: np.ndarray) -> Float32[np.ndarray, "image member other"]:
    """Half the sign of each member's difference from each other member; 0: not usable."""
    difference = np.sign(side[:, :, None] - side[:, None, :])
    both = usable[:, :, None] & usable[:, None, :]
    return np.asarray(np.where(both, 0.5 * difference, 0.0), dtype=np.float32)
