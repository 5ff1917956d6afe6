"""A rightsholder's share of the influence that an audit found: a pure function of its measurements.

Let P be the candidates of an image that passed, I(u) the influence of u in P by one method, and
e(u), [l(u), h(u)] its effect with the 95 % interval. For the candidates A, a part of P:

    share(A) = sum of I over A / sum of I over P

The uncertainty of the effects gives that of the share, assuming that an influence would be larger
or smaller in the same proportion as its effect. With L(u) = I(u) max(l(u), 0) / e(u) and H(u) =
I(u) h(u) / e(u):

    low(A)  = sum of L over A / (sum of L over A + sum of H over P without A)
    high(A) = sum of H over A / (sum of H over A + sum of L over P without A)

With k candidates in P, all of their intervals, and so these bounds, hold at once in at least
1 - 0.05 k of cases (Bonferroni). If A is all of P, the share is 1 by definition, and says nothing
about the image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from reports.facts import NotMeasured
from reports.statements.facts import IntervalPart, SharePart

Method = Literal["exact ablation", "first-order estimate"]


@dataclass(frozen=True)
class Passing:
    """A candidate that passed."""

    rank: int
    theirs: bool
    exact: float | None
    estimate: float | None
    effect: IntervalPart | NotMeasured


def share_of(passing: Sequence[Passing], ranks: frozenset[int]) -> SharePart | NotMeasured:
    """The share, with its interval, of the candidates of ``passing`` with these ranks."""
    found = _influences(passing)
    if isinstance(found, NotMeasured):
        return found
    method, influences = found
    whole = math.fsum(influences)
    if whole <= 0:
        return NotMeasured("the influences of the candidates that passed are all 0")
    part = math.fsum(value for value, each in zip(influences, passing, strict=True) if each.rank in ranks)
    low, high = _interval(passing, influences, ranks)
    return SharePart(value=part / whole, low=low, high=high, among=len(passing), method=method)


def _influences(passing: Sequence[Passing]) -> tuple[Method, list[float]] | NotMeasured:
    """By one method for all, the exact one first: two methods have different scales."""
    methods: tuple[tuple[Method, list[float | None]], ...] = (
        ("exact ablation", [each.exact for each in passing]),
        ("first-order estimate", [each.estimate for each in passing]),
    )
    for method, values in methods:
        measured = [value for value in values if value is not None and math.isfinite(value) and value >= 0]
        if measured and len(measured) == len(passing):
            return method, measured
    return NotMeasured("the influences of the candidates that passed were not all measured by one method")


def _interval(
    passing: Sequence[Passing], influences: Sequence[float], ranks: frozenset[int]
) -> tuple[float, float] | tuple[NotMeasured, NotMeasured]:
    if all(each.rank in ranks for each in passing):
        return 1.0, 1.0
    lows, highs = [0.0, 0.0], [0.0, 0.0]  # of the others, and of those asked for
    for each, influence in zip(passing, influences, strict=True):
        if isinstance(each.effect, NotMeasured) or each.effect.value <= 0:
            reason = NotMeasured("not every candidate that passed has a measured effect above 0")
            return reason, reason
        scale, asked = influence / each.effect.value, each.rank in ranks
        lows[asked] += scale * max(each.effect.low, 0.0)
        highs[asked] += scale * max(each.effect.high, 0.0)
    if not lows[True] + highs[False] or not highs[True] + lows[False]:
        reason = NotMeasured("the intervals of the effects leave nothing to share")
        return reason, reason
    return lows[True] / (lows[True] + highs[False]), highs[True] / (highs[True] + lows[False])
