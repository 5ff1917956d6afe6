"""How well a statistic separates two groups: the ROC curve, the area under it, its interval."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy import stats

from attribution.metrics.statistics import BOOTSTRAP_DRAWS, PERCENTILES

Values = Float64[np.ndarray, " value"]


def area_under_curve(seen: Values, unseen: Values) -> float:
    """The chance that a seen value exceeds an unseen one; equal ones count half."""
    ranks = stats.rankdata(np.concatenate([seen, unseen]))
    most = len(seen) * len(unseen)
    return float((ranks[: len(seen)].sum() - len(seen) * (len(seen) + 1) / 2) / most)


def area_facts(seen: Values, unseen: Values, seed: int = 0) -> dict[str, float]:
    """The area with its 95 % bootstrap interval over both groups."""
    generator = np.random.default_rng(seed)
    areas = [
        area_under_curve(generator.choice(seen, len(seen)), generator.choice(unseen, len(unseen)))
        for _ in range(BOOTSTRAP_DRAWS // 4)
    ]
    low, high = np.quantile(areas, PERCENTILES)
    return {"value": area_under_curve(seen, unseen), "low": float(low), "high": float(high)}


def curve(seen: Values, unseen: Values) -> list[list[float]]:
    """Points [share of unseen found, share of seen found], from [0, 0] to [1, 1], by threshold."""
    thresholds = np.unique(np.concatenate([seen, unseen]))[::-1]
    found = [[float((unseen >= each).mean()), float((seen >= each).mean())] for each in thresholds]
    return [[0.0, 0.0], *found]


def threshold_at(unseen: Values, rate: float) -> float:
    """The largest value that at most a share ``rate`` of the unseen exceeds; values above it count
    as found.
    """
    allowed = int(np.floor(rate * len(unseen) + 1e-9))
    return float(np.sort(unseen)[::-1][allowed])


def found_at(seen: Values, unseen: Values, rate: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which seen values are found while at most a share ``rate`` of the unseen is."""
    return np.asarray(seen > threshold_at(unseen, rate))
