"""The size of an effect: the interval of all effects that the randomisation test does not reject.

The test of :mod:`attribution.evidence.randomisation` asks whether there is an effect. Suppose
instead that a member that saw the unit predicts clean images a share d further towards the unit's
picture a, measured from the members' mean. Then the members' alignments are larger by d B c, with c
the unit's centred bits and B as in :mod:`attribution.evidence.adjustment`. With d B c subtracted,
the unit's code is as exchangeable with the decoys as without an effect. So each d can be tested
like zero, and the values that are not rejected make a confidence interval (Hodges and Lehmann 1963;
Rosenbaum 2002, chapter 2). With k the centred bits of a decoy,

    T_unit(d) - T_decoy(d) = (T_unit - T_decoy) - d (sqrt(c' B c) - k' B c / sqrt(k' B k))

This falls in d: by Cauchy and Schwarz's inequality the bracket is positive for every other code. So
each decoy overtakes the unit at one d. Sorted, these values are the steps of the p-value as a
function of d, and the interval's ends are two of them.

Decoys with the unit's own bits among the members in service never overtake. They are counted as
overtaking at every d. This can only widen the interval, so its coverage is at least 95 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

LEVEL = 0.05
"""1 - coverage of the two-sided interval; each side is tested at half of it."""
METHOD = "95 % interval by inverting the randomisation test"
UNIT = "share of the way from the members' mean prediction to the unit's picture"
TOO_FEW_DECOYS = "too few decoys: the test rejects no effect at this level, however large"
NO_DISTANCE = "the members' mean prediction is the work's picture itself, so there is no way left between them"
NO_NUMBER = "a member's prediction is no number"
SAME_CODE = 1e-12
"""Slopes up to this share of the unit's own growth count as 0: the decoy never overtakes."""


@dataclass(frozen=True)
class Effects:
    """Per unit, the share of the way from mean prediction to picture; NaN: not measured."""

    estimate: Float64[np.ndarray, " unit"]
    """The effect at which half of the decoys lie above the unit (Hodges-Lehmann estimate)."""
    low: Float64[np.ndarray, " unit"]
    high: Float64[np.ndarray, " unit"]
    not_measured: tuple[str | None, ...]
    """The reason for a missing effect."""


def effects_of(
    statistic: Float64[np.ndarray, " unit"],
    decoy_statistic: Float64[np.ndarray, "unit decoy"],
    response: Float64[np.ndarray, " unit"],
    decoy_response: Float64[np.ndarray, "unit decoy"],
    level: float = LEVEL,
) -> Effects:
    """Invert the test of each unit.

    Args:
        statistic: T under the unit's own code.
        decoy_statistic: T under the decoys.
        response: growth of T per unit of effect; not positive if the effect has no scale.
        decoy_response: growth of the decoys' statistics.
        level: 1 - coverage of the interval.
    """
    found = [
        _effect(statistic[unit] - decoy_statistic[unit], response[unit] - decoy_response[unit], response[unit], level)
        for unit in range(len(statistic))
    ]
    estimate, low, high = (np.array([values[part] for values, _ in found], dtype=np.float64) for part in range(3))
    return Effects(estimate, low, high, tuple(reason for _, reason in found))


def _effect(
    lead: Float64[np.ndarray, " decoy"], slope: Float64[np.ndarray, " decoy"], response: float, level: float
) -> tuple[tuple[float, float, float], str | None]:
    nothing = (math.nan, math.nan, math.nan)
    if not (np.isfinite(lead).all() and np.isfinite(slope).all()):
        return nothing, NO_NUMBER
    if response <= 0.0:
        return nothing, NO_DISTANCE
    moves = slope > SAME_CODE * response
    overtakes = np.sort(lead[moves] / slope[moves])
    # p(d) = (1 + equal + #{overtakes <= d}) / (1 + decoys) must exceed level / 2; for the upper
    # end, the same with >=.
    needed = math.floor(level / 2.0 * (1 + len(lead)) + 1e-9) - int((~moves).sum())
    if needed < 1 or not len(overtakes):
        return nothing, TOO_FEW_DECOYS
    return (float(np.median(overtakes)), float(overtakes[needed - 1]), float(overtakes[-needed])), None
