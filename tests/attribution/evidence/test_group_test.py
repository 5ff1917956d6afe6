"""Tests of rightsholders by their works' codes: exact, and they find joint effects of works."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from attribution.evidence.adjustment import MemberAlignment
from attribution.evidence.group_test import WORK_BANDWIDTH, assess_rightsholders, holdings
from attribution.evidence.randomisation import assess_alignment, contrast_weights
from registry.encodings.assignment import distinct_draws
from registry.encodings.codes import codes_of, decoys
from registry.encodings.words import bits


def test_joint_draws_are_uniform_over_ordered_choices() -> None:
    """Every ordered choice of distinct numbers is equally probable."""
    rows = distinct_draws(5, 3, 60_000, np.random.default_rng(0))
    counts = dict.fromkeys(permutations(range(5), 3), 0)
    for row in map(tuple, rows.tolist()):
        counts[row] += 1
    assert stats.chisquare(list(counts.values())).pvalue > 0.001


def test_all_of_the_pool_can_be_drawn() -> None:
    """A rightsholder's works may need all codes."""
    rows = distinct_draws(4, 4, 100, np.random.default_rng(1))
    np.testing.assert_array_equal(np.sort(rows, axis=1), np.tile(np.arange(4), (100, 1)))


def test_statistic_is_the_weighted_sum_of_the_works_statistics() -> None:
    """Weights fall with the works' distance from the image and sum to 1; p by brute force."""
    n, h, units = 6, 3, 12
    rng = np.random.default_rng(2)
    membership = bits(codes_of(0, n, h, np.arange(units)), n)
    others = bits(decoys(0, n, h, units, 100, draw_seed=0), n)
    pulls, differences = rng.normal(size=(units, n)), rng.uniform(0, 0.02, units)
    held = {"Ada": np.array([0, 4]), "Zoe": np.array([1])}
    parts = [pulls[places] for places in held.values()]
    found = assess_rightsholders(parts, membership, others, differences, held, np.arange(units), seed=0, draws=40_000)
    weights = np.exp(-differences[[0, 4]] / WORK_BANDWIDTH)
    weights /= weights.sum()
    alone = np.einsum("un,un->u", pulls, contrast_weights(membership))
    assert found[0].statistic == pytest.approx(weights @ alone[[0, 4]])
    pool = np.concatenate([contrast_weights(membership[[0, 4]]), contrast_weights(others)])
    every = [
        weights[0] * pulls[0] @ pool[i] + weights[1] * pulls[4] @ pool[j] for i, j in permutations(range(len(pool)), 2)
    ]
    assert found[0].p_value == pytest.approx(np.mean(np.array(every) >= found[0].statistic - 1e-12), abs=0.01)
    # One work's test is the unit's own test, with its own code in the pool.
    unit = assess_alignment(MemberAlignment(pulls[[1]], np.eye(n)[None]), membership[[1]], others)
    assert found[1].p_value == pytest.approx(unit.p_value[0], abs=0.01)


def test_p_values_are_uniform_when_codes_mean_nothing() -> None:
    """Over redrawn codes, with several works a rightsholder and few spare codes."""
    n, h, units = 6, 3, 14
    rng = np.random.default_rng(3)
    p_values = []
    for seed in range(400):
        membership = bits(codes_of(seed, n, h, np.arange(units)), n)
        others = bits(decoys(seed, n, h, units, 100, draw_seed=0), n)
        held = {"Ada": np.arange(5)}
        found = assess_rightsholders(
            [rng.normal(size=(5, n))], membership, others, np.zeros(units), held, np.arange(units), seed, draws=199
        )
        p_values.append(found[0].p_value)
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_many_small_effects_are_seen_together() -> None:
    """Works with small effects are not found one by one, but their owner is."""
    n, h, units = 16, 8, 64
    rng = np.random.default_rng(4)
    membership = bits(codes_of(0, n, h, np.arange(units)), n)
    others = bits(decoys(0, n, h, units, 5_000, draw_seed=0), n)
    pulls = rng.normal(size=(units, n))
    pulls[:24] += 0.5 * membership[:24]
    held = {"Ada": np.arange(24), "Zoe": np.arange(24, 48)}
    parts = [pulls[places] for places in held.values()]
    found = assess_rightsholders(parts, membership, others, np.zeros(units), held, np.arange(units), seed=0)
    assert found[0].q_value <= 0.05 < found[1].q_value
    alone = assess_alignment(MemberAlignment(pulls[:24], np.tile(np.eye(n), (24, 1, 1))), membership[:24], others)
    assert (alone.q_value > 0.05).mean() > 0.7


def test_the_first_works_of_a_rightsholder_are_tested() -> None:
    """Further works have no weight; they are kept as works of the rightsholder."""
    n, h, units = 6, 3, 8
    rng = np.random.default_rng(5)
    membership = bits(codes_of(0, n, h, np.arange(units)), n)
    others = bits(decoys(0, n, h, units, 100, draw_seed=0), n)
    pulls, differences = rng.normal(size=(3, n)), np.array([0.0, 0.001, 0.002, 0, 0, 0, 0, 0])
    numbers = np.arange(units) + 100
    (all_of_them,) = assess_rightsholders(
        [pulls], membership, others, differences, {"Ada": np.array([0, 1, 2])}, numbers, seed=0, most_works=2
    )
    (first,) = assess_rightsholders(
        [pulls[:2]], membership, others, differences, {"Ada": np.array([0, 1])}, numbers, seed=0
    )
    assert (all_of_them.works, all_of_them.statistic, all_of_them.p_value) == (2, first.statistic, first.p_value)
    assert all_of_them.pulls.units.tolist() == [100, 101, 102]
    assert not all_of_them.pulls.alignment[2].any()
    np.testing.assert_array_equal(all_of_them.pulls.alignment[:2], first.pulls.alignment)


def test_holdings_follow_the_ranking() -> None:
    """Rightsholders by best work; a shared work counts for both, an unowned one for none."""
    held = holdings([("Zoe",), (), ("Ada", "Zoe"), ("Bob",), ("Zoe",)], length=2)
    assert {name: places.tolist() for name, places in held.items()} == {"Zoe": [0, 2, 4], "Ada": [2]}
