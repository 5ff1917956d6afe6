"""Intervals for differences of paired shares, and for the area under a ROC curve.

Both are for few images: they stay inside their range, and have a width also where a share is 0 or
1.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float64
from scipy import optimize, stats

from attribution.metrics.statistics import CONFIDENCE, bootstrap_interval
from registry.imitations.facts import Interval, Missing

Z = float(stats.norm.ppf((1 + CONFIDENCE) / 2))
BESIDE = 1e-9
NO_SPREAD = "one image has no spread"


def paired_difference(before: Bool[np.ndarray, " image"], after: Bool[np.ndarray, " image"]) -> Interval | Missing:
    """Share of ``before`` minus share of ``after``, on the same images.

    The interval adjusts the counts of images that changed (Bonett and Price 2012).
    """
    if not len(before):
        return Missing(not_measured="there is no image")
    lost, won = int((before & ~after).sum()), int((~before & after).sum())
    n = len(before)
    down, up = (lost + 1) / (n + 2), (won + 1) / (n + 2)
    centre, half = down - up, Z * math.sqrt((down + up - (down - up) ** 2) / (n + 2))
    return Interval(value=(lost - won) / n, low=max(-1.0, centre - half), high=min(1.0, centre + half))


def fewer_than_before_p(before: Bool[np.ndarray, " image"], after: Bool[np.ndarray, " image"]) -> float:
    """One-sided exact McNemar test: the share of ``after`` is not smaller."""
    lost, won = int((before & ~after).sum()), int((~before & after).sum())
    return float(stats.binom.sf(lost - 1, lost + won, 0.5))


def auc_interval(auc: float, positives: int, negatives: int) -> tuple[float, float]:
    """95 % interval of an area under the curve (Newcombe 2006, method 5).

    The ends are the areas from which the found one is 1.96 standard errors away, each with the
    standard error that Hanley and McNeil (1982) give at that area.
    """
    between = (positives + negatives) / 2 - 1

    def excess(area: float) -> float:
        spread = area * (1 - area) * (1 + between * ((1 - area) / (2 - area) + area / (1 + area)))
        return (auc - area) ** 2 - Z**2 * spread / (positives * negatives)

    # At 0 and 1 the excess is 0 without being an end: the search begins beside it.
    low = 0.0 if auc <= BESIDE else float(optimize.brentq(excess, 0.0, min(auc, 1 - BESIDE)))
    high = 1.0 if auc >= 1 - BESIDE else float(optimize.brentq(excess, max(auc, BESIDE), 1.0))
    return low, high


def mean_interval(values: Float64[np.ndarray, " image"], seed: int) -> Interval | Missing:
    """Mean over images; interval by the bootstrap over images."""
    if len(values) < 2:
        return Missing(not_measured=NO_SPREAD if len(values) else "there is no image")
    low, high = bootstrap_interval(len(values), lambda drawn: values[drawn].mean(axis=1), seed)
    return Interval(value=float(values.mean()), low=low, high=high)
