"""The cheapest choice of a small problem, by scipy's mixed-integer solver (HiGHS).

Variables: x_r, whether rightsholder r is licensed, and y_o, whether the outputs of pattern o are
covered. Minimise ``sum prices x`` where ``sum over r of weights[o, r] x_r >= needs[o] y_o`` for all
o, ``sum counts y >= wanted``, and ``x_r + x_s <= 1`` for forbidden pairs. Outputs with equal
weights are one pattern. Sizes and nodes are limited, never seconds: the same problem has the same
answer on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reports.portfolios.cover import Cover, Real, Whole

MOST_ENTRIES = 50_000
MOST_RIGHTSHOLDERS = 1_000
MOST_NODES = 2_000
OPTIMAL, INFEASIBLE = 0, 2
"""States of scipy's solver."""


@dataclass(frozen=True)
class Exact:
    """An answer of the solver."""

    chosen: tuple[int, ...] | None
    """Ascending; None: no choice reaches the wanted coverage."""
    cost: float
    """Infinite where there is no choice."""
    proven: bool
    """Whether no cheaper choice exists; False: the search ended at its limit of nodes."""


def small_enough(cover: Cover) -> bool:
    """Whether the solver is asked."""
    return len(cover.outputs) <= MOST_ENTRIES and cover.size <= MOST_RIGHTSHOLDERS


def exact(cover: Cover) -> Exact | None:
    """The cheapest choice with the wanted coverage; None if the search found nothing."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array

    before = cover.covered(())
    if not cover.size or before >= cover.wanted:
        return Exact((), 0.0, True)
    rows, holders, weights, counts, needs = _patterns(cover)
    patterns, size = len(counts), cover.size
    covering = coo_array(
        (
            np.concatenate([weights, -needs]),
            (np.concatenate([rows, np.arange(patterns)]), np.concatenate([holders, size + np.arange(patterns)])),
        ),
        shape=(patterns, size + patterns),
    )
    goal = coo_array((counts, (np.zeros(patterns, np.int64), size + np.arange(patterns))), shape=(1, size + patterns))
    # Sums of weights are not exact: an output with almost its need is covered, as in `Cover`.
    constraints = [
        LinearConstraint(covering.tocsr(), lb=-1e-9),
        LinearConstraint(goal.tocsr(), lb=cover.wanted - before - 1e-6),
    ]
    if cover.forbidden:
        pairs = np.asarray(cover.forbidden).T
        places = np.tile(np.arange(len(cover.forbidden)), 2)
        both = coo_array(
            (np.ones(pairs.size), (places, pairs.reshape(-1))), shape=(len(cover.forbidden), size + patterns)
        )
        constraints.append(LinearConstraint(both.tocsr(), ub=1.0))
    found = milp(
        np.concatenate([cover.prices, np.zeros(patterns)]),
        integrality=np.ones(size + patterns, np.int64),
        bounds=Bounds(0, 1),
        constraints=constraints,
        options={"node_limit": MOST_NODES, "mip_rel_gap": 0.0},
    )
    if found.x is None:
        return Exact(None, math.inf, True) if found.status == INFEASIBLE else None
    chosen = tuple(int(each) for each in np.flatnonzero(found.x[:size] > 0.5))
    if not _holds(cover, chosen):
        return None
    return Exact(chosen, cover.cost(chosen), found.status == OPTIMAL)


def _holds(cover: Cover, chosen: Sequence[int]) -> bool:
    """Whether a choice, counted again without the solver's tolerances, reaches the coverage."""
    taken = set(chosen)
    return cover.covered(chosen) >= cover.wanted - 1e-9 and not any(
        one in taken and other in taken for one, other in cover.forbidden
    )


def _patterns(cover: Cover) -> tuple[Whole, Whole, Real, Real, Real]:
    """Entries (pattern, rightsholder, weight); counts and needs by pattern."""
    owners = np.repeat(np.arange(cover.size), np.diff(cover.starts))
    by_output: dict[int, list[tuple[int, float]]] = {}
    for owner, output, weight in zip(owners.tolist(), cover.outputs.tolist(), cover.weights.tolist(), strict=True):
        by_output.setdefault(output, []).append((owner, weight))
    counts: dict[tuple[float, tuple[tuple[int, float], ...]], float] = {}
    for output, entries in sorted(by_output.items()):
        if cover.needs[output] > 0 and cover.counts[output] > 0:
            pattern = (float(cover.needs[output]), tuple(entries))
            counts[pattern] = counts.get(pattern, 0.0) + float(cover.counts[output])
    places = [(place, *entry) for place, (_, entries) in enumerate(counts) for entry in entries]
    rows, holders, weights = (np.asarray(column) for column in zip(*places, strict=True)) if places else ([],) * 3
    return (
        np.asarray(rows, np.int64),
        np.asarray(holders, np.int64),
        np.asarray(weights, np.float64),
        np.fromiter(counts.values(), np.float64, len(counts)),
        np.asarray([need for need, _ in counts], np.float64),
    )
