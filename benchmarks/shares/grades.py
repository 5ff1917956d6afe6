"""Grades of rules against the truth: order, the most important one, and calibration."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.stats import spearmanr

from benchmarks.papers.measures import interval

Shares = Float64[np.ndarray, "output unit"]
BINS = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Edges of the shares that the calibration is shown for."""
RATIOS = (1.5, 2.67)
"""Pairs of shares with a ratio between these, about two: is the change about twice as large?"""
LEAST = 0.02
"""The smaller share of such a pair, at least."""


def parts(changes: Shares) -> Shares:
    """Each change as a part of the sum of the output's changes; a negative one is 0."""
    kept = np.maximum(changes, 0.0)
    return np.asarray(kept / np.maximum(kept.sum(axis=1, keepdims=True), 1e-300))


def graded(shares: Shares, changes: Shares) -> dict[str, Any]:
    """How well shares follow changes.

    ``order``: Spearman's correlation over units, mean over outputs. ``first``: how often the unit
    with the largest share is the one with the largest change. ``pooled``: Pearson's correlation of
    share and part, over all units and outputs. ``twice``: for units of one output whose shares are
    about one to two, the ratio of the sums of their changes.
    """
    divided = shares.any(axis=1)
    if not divided.any():
        return {"not_measured": "the rule divides no output"}
    truth = parts(changes)
    order = np.array([spearmanr(s, c).statistic if s.any() else 0.0 for s, c in zip(shares, changes, strict=True)])
    order = np.nan_to_num(order)
    return {
        "order": {"mean": round(float(order.mean()), 3), "interval": interval(order)},
        "first": round(float((shares.argmax(axis=1) == changes.argmax(axis=1))[divided].mean()), 3),
        "pooled": round(float(np.corrcoef(shares.ravel(), truth.ravel())[0, 1]), 3) if np.ptp(shares) else 0.0,
        "twice": _twice(shares, truth),
        "calibration": _calibration(shares.ravel(), truth.ravel()),
    }


def _twice(shares: Shares, truth: Shares) -> dict[str, Any]:
    found, asked = [], []
    for share, part in zip(shares, truth, strict=True):
        small, large = np.meshgrid(share, share, indexing="ij")
        chosen = (small >= LEAST) & (large > small * RATIOS[0]) & (large < small * RATIOS[1])
        for one, other in zip(*np.nonzero(chosen), strict=True):
            asked.append(share[other] / share[one])
            found.append((part[one], part[other]))
    if len(found) < 10:
        return {"not_measured": "fewer than ten pairs"}
    sums = np.array(found).sum(axis=0)
    return {
        "pairs": len(found),
        "shares": round(float(np.mean(asked)), 2),
        "changes": round(float(sums[1] / max(sums[0], 1e-300)), 2),
    }


def _calibration(share: np.ndarray, part: np.ndarray) -> list[dict[str, Any]]:
    """Mean share and mean part by ranges of the share."""
    edges = (-1.0, 0.0, *BINS, 1.0)
    rows = []
    for low, high in itertools.pairwise(edges):
        chosen = (share > low) & (share <= high)
        if chosen.any():
            rows.append(
                {
                    "up_to": high,
                    "units": int(chosen.sum()),
                    "share": round(float(share[chosen].mean()), 4),
                    "part": round(float(part[chosen].mean()), 4),
                }
            )
    return rows


def told(rules: Mapping[str, Any], kept: str) -> dict[str, Any]:
    """The grades of all rules; the calibration by ranges of the share of the kept rule alone."""
    return {name: grades if name == kept else _without_calibration(grades) for name, grades in rules.items()}


def _without_calibration(grades: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _without_calibration(value) if isinstance(value, Mapping) else value
        for name, value in grades.items()
        if name != "calibration"
    }


def mean_of(values: Sequence[float]) -> dict[str, Any]:
    """A mean over outputs with its interval."""
    array = np.array(values, dtype=np.float64)
    return {"mean": round(float(array.mean()), 4), "interval": interval(array)}
