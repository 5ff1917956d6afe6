"""Statistics of stated results: shares and their intervals, rank correlation, q-values.

Most are scipy's. Ours is :func:`uniformity`, since p-values from few decoys are discrete.

>>> low, high = Share(9, 10).interval()
>>> low < 0.9 < high
True
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64
from scipy import stats

from registry.errors import UsageError

CONFIDENCE = 0.95
PERCENTILES = (0.025, 0.975)
BOOTSTRAP_DRAWS = 2000
UNIFORMITY_DRAWS = 9_999
VALUES_AT_ONCE = 2_000_000
"""Numbers drawn at once: bounds memory and does not change the result."""


@dataclass(frozen=True)
class Share:
    """A count out of a total.

    Raises:
        UsageError: not 0 <= count <= total.
    """

    count: int
    total: int

    def __post_init__(self) -> None:
        if not 0 <= self.count <= self.total:
            raise UsageError(f"{self.count} of {self.total}: expected a count from 0 to the total")

    def interval(self) -> tuple[float, float]:
        """The exact 95 % interval (Clopper and Pearson 1934); the total must not be 0."""
        found = stats.binomtest(self.count, self.total).proportion_ci(CONFIDENCE, method="exact")
        return float(found.low), float(found.high)

    def wilson(self) -> tuple[float, float]:
        """The 95 % score interval (Wilson 1927): shorter than the exact one; the total must not be
        0.
        """
        found = stats.binomtest(self.count, self.total).proportion_ci(CONFIDENCE, method="wilson")
        return float(found.low), float(found.high)

    def more_than_p(self, rate: float) -> float:
        """P(X >= count), X the successes of ``total`` independent trials at ``rate``."""
        return float(stats.binom.sf(self.count - 1, self.total, rate))

    def to_json(self) -> dict[str, Any]:
        """The share with its interval, or the reason why there is none."""
        if not self.total:
            return {"not_measured": "there was nothing to count"}
        low, high = self.interval()
        return {"share": self.count / self.total, "low": low, "high": high, "count": self.count, "total": self.total}


def share_of(found: np.ndarray) -> Share:
    """The share of true values."""
    return Share(int(np.count_nonzero(found)), int(np.size(found)))


def bootstrap_interval(
    count: int, statistic: Callable[[Int64[np.ndarray, "draw item"]], Float64[np.ndarray, " draw"]], seed: int = 0
) -> tuple[float, float]:
    """95 % percentile interval of a statistic over draws of ``count`` items with replacement.

    ``statistic`` gets the drawn items of all draws at once.
    """
    draws = np.random.default_rng(seed).integers(0, count, (BOOTSTRAP_DRAWS, count))
    low, high = np.quantile(statistic(draws), PERCENTILES)
    return float(low), float(high)


def spearman(
    left: Float64[np.ndarray, "*rows item"], right: Float64[np.ndarray, "*rows item"]
) -> Float64[np.ndarray, "*rows"]:
    """Spearman's correlation by row, ties sharing a rank; 0: a side is constant or has NaN."""
    middle = (left.shape[-1] + 1) / 2
    a, b = (stats.rankdata(side, axis=-1) - middle for side in (left, right))
    scale = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    correlation: Float64[np.ndarray, "*rows"] = np.zeros(scale.shape)
    np.divide((a * b).sum(axis=-1), scale, out=correlation, where=scale > 0)
    return correlation


def benjamini_hochberg(p_value: Float64[np.ndarray, " test"]) -> Float64[np.ndarray, " test"]:
    """q-values: the smallest rate at which Benjamini and Hochberg (1995) reject each hypothesis.

    The procedure is proved to control the false discovery rate for tests that are independent or
    positively dependent (Benjamini and Yekutieli 2001).
    """
    return np.asarray(stats.false_discovery_control(p_value, method="bh"), dtype=np.float64)


def benjamini_yekutieli(p_value: Float64[np.ndarray, " test"]) -> Float64[np.ndarray, " test"]:
    """q-values by Benjamini and Yekutieli (2001): control is proved however the tests depend.

    With m tests they are 1 + 1/2 + .. + 1/m times those of :func:`benjamini_hochberg`, at most 1.
    """
    return np.asarray(stats.false_discovery_control(p_value, method="by"), dtype=np.float64)


def uniformity(
    ranks: Int64[np.ndarray, " value"], places: int, seed: int = 0, draws: int = UNIFORMITY_DRAWS
) -> tuple[float, float]:
    """Kolmogorov-Smirnov test that discrete p-values are uniform.

    A p-value from ``places - 1`` decoys is one of 1/places, 2/places, .., 1. Under the null
    hypothesis its rank is uniform over 1 .. places. The textbook distribution of the distance holds
    for continuous values and would call such ranks non-uniform, so the distribution is simulated:
    p = (1 + #{simulated distances >= distance}) / (1 + draws).

    Args:
        ranks: p-values times ``places``, each from an independent assignment of codes.
        places: decoys + 1.
        seed: of the simulation.
        draws: simulated data sets.

    Returns:
        The distance and p.

    Raises:
        UsageError: there are no ranks, or one is not in 1 .. places.
    """
    if not ranks.size or ranks.min() < 1 or ranks.max() > places:
        raise UsageError(f"expected ranks of p-values, from 1 to {places}")
    distance = _distances(ranks[None], places)[0]
    generator = np.random.default_rng(seed)
    rows = max(1, VALUES_AT_ONCE // ranks.size)
    as_far = 0
    for start in range(0, draws, rows):
        drawn = generator.integers(1, places + 1, (min(rows, draws - start), ranks.size))
        as_far += int((_distances(drawn, places) >= distance - 1e-12).sum())
    return float(distance), (1.0 + as_far) / (1.0 + draws)


def _distances(ranks: Int64[np.ndarray, "row value"], places: int) -> Float64[np.ndarray, " row"]:
    """Supremum over the grid of the distance between empirical and expected share, by row."""
    ordered = np.sort(ranks, axis=1)
    count = ordered.shape[1]
    place = np.arange(1, count + 1) / count
    # At a value the empirical share is at least its place; just below, at most the place before.
    above = (place - ordered / places).max(axis=1)
    below = ((ordered - 1) / places - (place - 1 / count)).max(axis=1)
    return np.asarray(np.maximum(above, below), dtype=np.float64)
