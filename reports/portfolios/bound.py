"""A price that no choice with the wanted coverage can go below: a Lagrangian bound.

Give each output o a price y_o >= 0 for its need. For every y the following is at most the price of
any choice that reaches the wanted coverage (Lagrangian relaxation of the covering constraints):

    sum of needs y over the cheapest outputs whose counts sum to the wanted
        - sum over rightsholders r of max(0, sum over o of weights[r, o] y_o - prices[r])

with weights cut at the output's need. An output that needs at least k licences, whatever they are,
gets the weights ``need / k`` instead where they sum to less: that constraint is the tighter one.
Subgradient steps (Held and Karp 1971; Beasley 1990 for set cover) look for the y with the largest
value. So the bound is a posteriori: it is of this very problem, and holds however the steps went.
Forbidden pairs are left out, which can only lower it.
"""

from __future__ import annotations

import math

import numpy as np

from reports.portfolios.cover import ENOUGH, Cover, Real

STEPS, MANY, FEWER_STEPS = 300, 100_000, 100
"""Steps; with more entries than the second number, the third: a step is a pass over all entries."""
PATIENCE = 15
"""Steps without a better bound after which the next ones are half as long."""


def lower_bound(cover: Cover, reached_for: float) -> float:
    """The bound. ``reached_for``: the price of a choice that reaches the wanted coverage.

    Where all prices are whole numbers, the bound is rounded up to one.
    """
    open_ = (cover.needs > 0) & (cover.counts > 0)
    wanted = cover.wanted - cover.covered(())
    if wanted <= 0 or reached_for <= 0:
        return 0.0
    from scipy.sparse import csc_array

    total, needs, counts = len(cover.needs), np.where(open_, cover.needs, 0.0), np.where(open_, cover.counts, 0.0)
    weights = _tight(cover, needs)
    adds = csc_array((weights, cover.outputs, cover.starts), shape=(total, cover.size)).tocsr()
    paid = adds.T.tocsr()
    # At first an output pays what the rightsholder with the lowest price for a need would charge.
    charged = cover.prices / np.maximum(np.asarray(paid @ np.ones(total)), 1e-12)
    y = np.full(total, np.inf)
    np.minimum.at(y, cover.outputs, np.repeat(charged, np.diff(cover.starts)))
    y = np.where(open_ & np.isfinite(y), y, 0.0)
    best, length, since = 0.0, 1.0, 0
    for _ in range(STEPS if len(cover.outputs) <= MANY else FEWER_STEPS):
        excess = paid @ y - cover.prices
        taken = _cheapest(needs * y, counts, wanted)
        value = float((needs * y * taken).sum() - np.maximum(excess, 0.0).sum())
        best, since = (value, 0) if value > best * (1 + 1e-6) else (best, since + 1)
        if since == PATIENCE:
            length, since = length / 2, 0
        slope = needs * taken - adds @ (excess > 0).astype(np.float64)
        slope[(y <= 0) & (slope < 0)] = 0.0
        square = float((slope**2).sum())
        if square <= 0 or best >= reached_for:
            break
        y = np.maximum(y + length * max(1.05 * reached_for - value, 1e-9) / square * slope, 0.0)
    best = min(best * (1 - 1e-9), reached_for)
    whole = bool(np.all(cover.prices == np.floor(cover.prices))) and best < 2**52
    return float(math.ceil(best - 1e-6)) if whole else best


def _tight(cover: Cover, needs: Real) -> Real:
    """(E): the weights of the tighter of two valid constraints on each output."""
    weights = np.minimum(cover.weights, needs[cover.outputs])
    order = np.lexsort((-weights, cover.outputs))
    outputs, largest = cover.outputs[order], weights[order]
    starts = np.searchsorted(outputs, np.arange(len(needs) + 1))
    sums = np.concatenate([[0.0], np.cumsum(largest)])
    # Whether an output's largest weights up to an entry are enough; if not, a licence more.
    reached = sums[1:] - sums[starts[outputs]] >= needs[outputs] * ENOUGH - 1e-9
    licences = 1 + np.bincount(outputs[~reached], minlength=len(needs))
    even = needs / licences
    tighter = even * np.bincount(cover.outputs, minlength=len(needs)) < np.bincount(cover.outputs, weights, len(needs))
    return np.where(tighter[cover.outputs], even[cover.outputs], weights)


def _cheapest(costs: Real, counts: Real, wanted: float) -> Real:
    """(O): the part of each output that is covered where the wanted counts cost least."""
    if wanted >= counts.sum() * (1 - 1e-12):
        return np.where(counts > 0, 1.0, 0.0)
    each = np.where(counts > 0, counts, 1.0)
    order = np.argsort(np.where(counts > 0, costs / each, np.inf), kind="stable")
    sums = np.cumsum(counts[order])
    taken = np.zeros(len(costs))
    taken[order] = np.clip(wanted - (sums - counts[order]), 0.0, counts[order]) / each[order]
    return taken
