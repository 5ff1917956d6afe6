"""Exact statistics of shares and of p-values, for what an ensemble can find and how often it errs.

>>> clopper_pearson(9, 10)[0] < 0.9 < clopper_pearson(9, 10)[1]
True
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from registry.errors import UsageError

CONFIDENCE = 0.95
PERCENTILES = (0.025, 0.975)
BOOTSTRAP_DRAWS = 2000
HALVINGS = 60
"""Of the interval from 0 to 1: beyond the last digit of a double."""
UNIFORMITY_DRAWS = 9_999
VALUES_AT_ONCE = 2_000_000
"""Numbers that are drawn together: bounds memory, changes nothing else."""


@dataclass(frozen=True)
class Share:
    """How many of how many, with Clopper and Pearson's 95 % interval (1934), which is exact."""

    count: int
    total: int

    def to_json(self) -> dict[str, Any]:
        """The share with its interval, or why there is none."""
        if not self.total:
            return {"not_measured": "there was nothing to count"}
        low, high = clopper_pearson(self.count, self.total)
        return {"share": self.count / self.total, "low": low, "high": high, "count": self.count, "total": self.total}


def share_of(found: np.ndarray) -> Share:
    """The share of what is true."""
    return Share(int(np.count_nonzero(found)), int(np.size(found)))


def bootstrap_interval(
    count: int, statistic: Callable[[Int64[np.ndarray, "draw item"]], Float64[np.ndarray, " draw"]], seed: int = 0
) -> tuple[float, float]:
    """95 % of a statistic over draws of ``count`` items with replacement; ``statistic`` gets the
    items of all draws.
    """
    draws = np.random.default_rng(seed).integers(0, count, (BOOTSTRAP_DRAWS, count))
    low, high = np.quantile(statistic(draws), PERCENTILES)
    return float(low), float(high)


def clopper_pearson(count: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The shares under which neither so many nor so few would be seen with less than half of 1 -
    confidence.

    Raises:
        UsageError: not 0 <= count <= total, or nothing was counted.
    """
    if not 0 <= count <= total or not total:
        raise UsageError(f"{count} of {total}: expected a count from 0 to a total of at least 1")
    tail = (1.0 - confidence) / 2.0
    low = 0.0 if count == 0 else _solve(lambda share: at_least(count, total, share) < tail)
    high = 1.0 if count == total else _solve(lambda share: 1.0 - at_least(count + 1, total, share) > tail)
    return low, high


def at_least(count: int, total: int, share: float) -> float:
    """P(X >= count) where X counts the successes of ``total`` independent trials that succeed with
    this probability.
    """
    if count <= 0 or share >= 1.0:
        return 1.0
    if share <= 0.0 or count > total:
        return 0.0
    k = np.arange(total + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])
    log_ways = log_factorial[total] - log_factorial[k] - log_factorial[total - k]
    terms = np.exp(log_ways + k * math.log(share) + (total - k) * math.log1p(-share))
    # The smaller of the two sums has its digits; the other is what is left of 1.
    return float(terms[count:].sum()) if count > share * total else 1.0 - float(terms[:count].sum())


def _solve(below: Callable[[float], bool]) -> float:
    """Where a condition that holds up to some share ceases to hold."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if below(middle) else (low, middle)
    return (low + high) / 2.0


def uniformity(
    ranks: Int64[np.ndarray, " value"], places: int, seed: int = 0, draws: int = UNIFORMITY_DRAWS
) -> tuple[float, float]:
    """Kolmogorov and Smirnov's distance of exact p-values from uniform, and how probable one as
    large is.

    A p-value from ``places - 1`` decoys is one of the numbers 1/places .. 1, so under the null
    hypothesis its rank is uniform over 1 .. places, and the textbook distribution, which is for
    continuous values, would be too generous. The distance's own distribution is drawn: ``draws``
    data sets as large, of such ranks, so p = (1 + #{as far}) / (1 + draws).

    Args:
        ranks: p-values times ``places``, one from each of as many independent assignments of codes.
        places: decoys + 1.
        seed: of the draws.
        draws: how many.

    Raises:
        UsageError: a rank is not in 1 .. places, or there is none.
    """
    if not ranks.size or ranks.min() < 1 or ranks.max() > places:
        raise UsageError(f"expected ranks of p-values, from 1 to {places}")
    distance = _distances(ranks[None], places)[0]
    generator = np.random.default_rng(seed)
    rows = max(1, VALUES_AT_ONCE // ranks.size)
    further = 0
    for start in range(0, draws, rows):
        drawn = generator.integers(1, places + 1, (min(rows, draws - start), ranks.size))
        further += int((_distances(drawn, places) >= distance - 1e-12).sum())
    return float(distance), (1.0 + further) / (1.0 + draws)


def _distances(ranks: Int64[np.ndarray, "row value"], places: int) -> Float64[np.ndarray, " row"]:
    """Supremum over the grid of |share at or below - expected share|; both are steps, so the ends
    of the steps suffice.
    """
    ordered = np.sort(ranks, axis=1)
    count = ordered.shape[1]
    place = np.arange(1, count + 1) / count
    # At a value the empirical share is at least its place; just below it, at most the place before.
    above = (place - ordered / places).max(axis=1)
    below = ((ordered - 1) / places - (place - 1 / count)).max(axis=1)
    return np.asarray(np.maximum(above, below), dtype=np.float64)
