"""The choice of rightsholders against all choices: greedy, its bound and the exact solver."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.portfolios.bound import lower_bound
from reports.portfolios.cover import Cover, built
from reports.portfolios.exact import exact
from reports.portfolios.greedy import greedy


@st.composite
def covers(draw: st.DrawFn, pairs: int = 0) -> Cover:
    """A small problem: few distinct weights and prices, so that ties and whole sums occur."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    size, total, entries = int(rng.integers(1, 8)), int(rng.integers(1, 10)), int(rng.integers(0, 30))
    weights = rng.choice([0.25, 0.5, 1.0], entries) if rng.integers(2) else rng.random(entries) + 0.01
    forbidden = [tuple(rng.choice(size, 2, replace=False).tolist()) for _ in range(pairs)] if size > 1 else []
    return built(
        (rng.integers(0, size, entries), rng.integers(0, total, entries), np.minimum(weights, 1.0)),
        rng.choice([0.0, 1.0, 2.0, 2.5, 7.0], size),
        rng.choice([0.0, 0.5, 1.0], total, p=[0.1, 0.2, 0.7]),
        float(rng.choice([0.3, 0.8, 1.0])),
        rng.choice([0.0, 1.0, 3.0], total, p=[0.1, 0.7, 0.2]),
        forbidden,
    )


def allowed(cover: Cover, chosen: tuple[int, ...]) -> bool:
    """Whether no forbidden pair is in the choice."""
    return not any(one in chosen and other in chosen for one, other in cover.forbidden)


def cheapest(cover: Cover) -> float | None:
    """The lowest price of all choices that reach the wanted coverage."""
    prices = [
        cover.cost(chosen)
        for number in range(cover.size + 1)
        for chosen in itertools.combinations(range(cover.size), number)
        if allowed(cover, chosen) and cover.covered(chosen) >= cover.wanted - 1e-9
    ]
    return min(prices, default=None)


@settings(max_examples=40, deadline=None)
@given(covers())
def test_greedy_is_within_its_bound(cover: Cover) -> None:
    """Bound <= best <= greedy; the solver finds the best; greedy has nothing superfluous."""
    best, found, solved = cheapest(cover), greedy(cover), exact(cover)
    assert best is not None
    assert solved is not None
    assert found.reached
    assert solved.proven
    cost = cover.cost(found.chosen)
    assert lower_bound(cover, cost) <= best + 1e-6
    assert abs(solved.cost - best) < 1e-6
    assert cost >= best - 1e-9
    assert cover.covered(found.chosen) >= cover.wanted - 1e-9
    for each in found.chosen:
        assert cover.covered([other for other in found.chosen if other != each]) < cover.wanted - 1e-9


@settings(max_examples=40, deadline=None)
@given(covers(pairs=3))
def test_forbidden_pairs_never_stand_together(cover: Cover) -> None:
    """Not in greedy's steps or choice, not in the solver's, which knows when there is no choice."""
    best, found, solved = cheapest(cover), greedy(cover), exact(cover)
    assert allowed(cover, tuple(step.rightsholder for step in found.steps))
    assert allowed(cover, found.chosen)
    assert solved is not None
    assert (solved.chosen is None) == (best is None)
    if solved.chosen is not None and best is not None:
        assert allowed(cover, solved.chosen)
        assert abs(solved.cost - best) < 1e-6
    if found.reached:
        assert cover.covered(found.chosen) >= cover.wanted - 1e-9


@settings(max_examples=40, deadline=None)
@given(covers())
def test_the_curve_rises(cover: Cover) -> None:
    """Coverage and price never fall, each step is a new rightsholder, and the end covers all."""
    found = greedy(cover)
    covered = [found.covered_before, *(step.covered for step in found.steps)]
    costs = [0.0, *(step.cost for step in found.steps)]
    assert covered == sorted(covered)
    assert costs == sorted(costs)
    assert len({step.rightsholder for step in found.steps}) == len(found.steps)
    assert covered[-1] == cover.counts.sum()
    for number in (0, len(found.steps)):
        chosen = [step.rightsholder for step in found.steps[:number]]
        assert covered[number] == cover.covered(chosen)


@settings(max_examples=30, deadline=None)
@given(covers(), st.integers(0, 2**32))
def test_the_order_of_entries_changes_nothing(cover: Cover, seed: int) -> None:
    """Ties are broken by the order of the rightsholders alone."""
    order = np.random.default_rng(seed).permutation(len(cover.outputs))
    holders = np.repeat(np.arange(cover.size), np.diff(cover.starts))
    again = built(
        (holders[order], cover.outputs[order], cover.weights[order]), cover.prices, cover.needs, 1.0, cover.counts
    )
    straight = built((holders, cover.outputs, cover.weights), cover.prices, cover.needs, 1.0, cover.counts)
    assert greedy(again) == greedy(straight)


def test_ties_go_to_the_first() -> None:
    """Equal gains and prices: the rightsholder that stands first."""
    entries = (np.asarray([2, 1, 0]), np.asarray([0, 0, 0]), np.ones(3))
    assert greedy(built(entries, np.ones(3), np.ones(1), 1.0)).chosen == (0,)
    assert greedy(built(entries, np.asarray([2.0, 1.0, 1.0]), np.ones(1), 1.0)).chosen == (1,)


def test_further_licences_add_less() -> None:
    """What a rightsholder adds falls once another has covered a part of the same output."""
    cover = built((np.asarray([0, 1]), np.asarray([0, 0]), np.asarray([0.7, 0.6])), np.ones(2), np.ones(1), 1.0)
    assert cover.gains(cover.left([])).tolist() == [0.7, 0.6]
    assert np.allclose(cover.gains(cover.left([0])), [0.3, 0.3])
