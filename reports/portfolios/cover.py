"""The problem of a portfolio: outputs to cover, what each rightsholder adds to each, and prices.

Each output has a need of 1. A licence from a rightsholder adds a weight between 0 and 1 to the
outputs that trace to their works; an output is *covered* once its weights sum to 1. Two rules make
weights (:mod:`reports.portfolios.weights`), and both are such sums. Over sets of rightsholders,
``sum over outputs of min(1, weights)`` is monotone and submodular: a further licence for an output
never adds more than it would have added before.

The cheapest set that covers all outputs, or a share of them, is a *submodular cover*; the greedy
choice and its bound are in :mod:`reports.portfolios.greedy`, the exact one for small problems in
:mod:`reports.portfolios.exact`. (Population coverage with several hits, of the vaccine designs by
the authors of TDA, is the same problem.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
Real = NDArray[np.float64]
Truth = NDArray[np.bool_]

ENOUGH = 1 - 1e-9
"""An output with this sum of weights is covered: sums of floating-point numbers are not exact."""


@dataclass(frozen=True, eq=False)
class Cover:
    """A problem with O outputs and R rightsholders; its E entries are sorted by rightsholder.

    Rightsholders stand in the order that decides ties.
    """

    starts: Whole
    """(R + 1): the entries of rightsholder r are ``starts[r]:starts[r + 1]``."""
    outputs: Whole
    """(E): the output of each entry; a rightsholder has an output at most once."""
    weights: Real
    """(E): above 0, at most 1."""
    prices: Real
    """(R): finite, at least 0."""
    needs: Real
    """(O): from 0 to 1, what permitted works leave to cover."""
    counts: Real
    """(O): how often each output counts, at least 0."""
    wanted: float
    """The sum of the counts of covered outputs to reach; at most that of the coverable ones."""
    forbidden: tuple[tuple[int, int], ...] = ()
    """Pairs of rightsholders, the lower index first, that never stand together."""

    @property
    def size(self) -> int:
        """The number of rightsholders."""
        return len(self.prices)

    def entries(self, rightsholder: int) -> slice:
        """Where the entries of a rightsholder lie."""
        return slice(int(self.starts[rightsholder]), int(self.starts[rightsholder + 1]))

    def gains(self, left: Real) -> Real:
        """(R): what each rightsholder would add, where ``left`` (O) is the need that is left."""
        gains, some = np.zeros(self.size), np.flatnonzero(np.diff(self.starts))
        if len(some):
            added = self.counts[self.outputs] * np.minimum(self.weights, left[self.outputs])
            gains[some] = np.add.reduceat(added, self.starts[some])
        return gains

    def balance(self, chosen: Sequence[int]) -> Real:
        """(O): the needs minus these rightsholders' weights; below 0: more than enough."""
        balance = self.needs.copy()
        for each in chosen:
            part = self.entries(each)
            balance[self.outputs[part]] -= self.weights[part]
        return balance

    def left(self, chosen: Sequence[int]) -> Real:
        """(O): the need that is left once these rightsholders are licensed."""
        return settled(self.balance(chosen))

    def covered(self, chosen: Sequence[int]) -> float:
        """The sum of the counts of covered outputs."""
        return float(self.counts[self.left(chosen) == 0].sum())

    def cost(self, chosen: Sequence[int]) -> float:
        """The sum of the prices."""
        return float(np.sum(self.prices[list(chosen)])) if len(chosen) else 0.0

    def partners(self) -> dict[int, set[int]]:
        """By rightsholder, those that it must not stand beside."""
        found: dict[int, set[int]] = {}
        for one, other in self.forbidden:
            found.setdefault(one, set()).add(other)
            found.setdefault(other, set()).add(one)
        return found


def settled(left: Real) -> Real:
    """Needs that are left, 0 where an output is covered."""
    return np.where(left <= 1 - ENOUGH, 0.0, left)


def wanted_of(counts: Real, coverable: Truth, share: float) -> float:
    """The counts to cover for a share of the coverable outputs, rounded up to whole outputs."""
    whole = float(counts[coverable].sum())
    return min(whole, float(np.ceil(share * whole - 1e-9)))


def built(
    entries: tuple[Whole, Whole, Real],
    prices: Real,
    needs: Real,
    share: float,
    counts: Real | None = None,
    forbidden: Sequence[tuple[int, int]] = (),
) -> Cover:
    """A problem from entries (rightsholder, output, weight) in any order; equal places add up.

    Outputs that all rightsholders together do not cover count for nothing: no choice changes them.
    """
    holders, outputs, weights = entries
    places = holders * max(len(needs), 1) + outputs
    found, inverse = np.unique(places, return_inverse=True)
    summed = np.minimum(np.bincount(inverse, weights, len(found)), 1.0)
    rows, columns = np.divmod(found, max(len(needs), 1))
    kept = summed > 0
    rows, columns, summed = rows[kept], columns[kept], summed[kept]
    counted = np.ones(len(needs)) if counts is None else counts
    coverable = np.bincount(columns, summed, len(needs)) >= needs - (1 - ENOUGH)
    return Cover(
        starts=np.searchsorted(rows, np.arange(len(prices) + 1)).astype(np.int64),
        outputs=columns,
        weights=summed,
        prices=prices,
        needs=settled(needs),
        counts=np.where(coverable, counted, 0.0),
        wanted=wanted_of(counted, coverable, share),
        forbidden=tuple(sorted({(min(pair), max(pair)) for pair in forbidden})),
    )
