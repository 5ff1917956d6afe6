"""The lazy greedy choice; :mod:`reports.portfolios.bound` says how far from the best it can be.

Greedy takes, again and again, the rightsholder that adds most for the price. *Lazy* (Minoux 1978):
what a rightsholder adds only ever falls, so a stale value is an upper bound, and only the best
candidates are counted again.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reports.portfolios.cover import Cover, Real, settled


@dataclass(frozen=True)
class Step:
    """One rightsholder taken by the greedy choice."""

    rightsholder: int
    cost: float
    """Sum of the prices so far."""
    covered: float
    """Sum of the counts of covered outputs so far."""


@dataclass(frozen=True)
class Greedy:
    """The greedy choice and its curve."""

    steps: tuple[Step, ...]
    """Up to the last licence that adds anything, past the wanted coverage."""
    covered_before: float
    """Covered by permitted works, without any licence."""
    chosen: tuple[int, ...]
    """Ascending; the steps up to the wanted coverage, without those that turn out superfluous."""
    reached: bool
    """Whether the wanted coverage is reached: forbidden pairs may stand in the way."""


def greedy(cover: Cover, *, curve: bool = True) -> Greedy:
    """The greedy choice. ``curve``: go on past the wanted coverage."""
    left = cover.needs.copy()
    covered = before = cover.covered(())
    cost, steps, at_goal = 0.0, list[Step](), 0 if before >= cover.wanted else None
    for each in _by_gain(cover, left):
        if at_goal is not None and not curve:
            break
        part = cover.entries(each)
        touched = cover.outputs[part]
        was = left[touched]
        left[touched] = settled(was - cover.weights[part])
        covered += float(cover.counts[touched[(was > 0) & (left[touched] == 0)]].sum())
        cost += float(cover.prices[each])
        steps.append(Step(each, cost, covered))
        if at_goal is None and covered >= cover.wanted - 1e-9:
            at_goal = len(steps)
    chosen = [step.rightsholder for step in steps[: at_goal if at_goal is not None else len(steps)]]
    kept = _without_superfluous(cover, chosen) if at_goal is not None else chosen
    return Greedy(
        steps=tuple(steps),
        covered_before=before,
        chosen=tuple(sorted(kept)),
        reached=at_goal is not None,
    )


def _by_gain(cover: Cover, left: Real) -> Iterator[int]:
    """Rightsholders in greedy order; the caller updates ``left`` in place after each."""
    gains, partners, banned = cover.gains(left), cover.partners(), set[int]()

    def key(each: int, gain: float) -> tuple[float, float, int]:
        price = float(cover.prices[each])
        # Equal gains, summed in another order, may differ in their last digits.
        rounded = round(gain, 9)
        return (-rounded / price if price > 0 else -math.inf, -rounded, each)

    heap = [key(each, float(gains[each])) for each in np.flatnonzero(gains > 0).tolist()]
    heapq.heapify(heap)
    while heap:
        *_, each = heapq.heappop(heap)
        if each in banned:
            continue
        part = cover.entries(each)
        touched = cover.outputs[part]
        gain = float((cover.counts[touched] * np.minimum(cover.weights[part], left[touched])).sum())
        if gain <= 1e-9:
            continue
        fresh = key(each, gain)
        if heap and fresh > heap[0]:
            heapq.heappush(heap, fresh)
            continue
        yield each
        banned |= partners.get(each, set())


def _without_superfluous(cover: Cover, chosen: list[int]) -> list[int]:
    """The choice without members that the others make superfluous; dearest and latest first."""
    kept, left = list(chosen), cover.balance(chosen)
    covered = float(cover.counts[settled(left) == 0].sum())
    order = sorted(range(len(chosen)), key=lambda place: (-float(cover.prices[chosen[place]]), -place))
    for each in (chosen[place] for place in order):
        part = cover.entries(each)
        touched = cover.outputs[part]
        back = left[touched] + cover.weights[part]
        lost = (settled(left[touched]) <= 0) & (settled(back) > 0)
        fewer = covered - float(cover.counts[touched[lost]].sum())
        if fewer >= cover.wanted - 1e-9:
            left[touched], covered = back, fewer
            kept.remove(each)
    return kept
