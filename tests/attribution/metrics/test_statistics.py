"""Shares, rank correlation, q-values and uniformity, against their definitions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from attribution.metrics.statistics import Share, benjamini_hochberg, share_of, spearman, uniformity
from registry.basis.p_values import q_values
from registry.errors import UsageError

ROWS = st.tuples(st.integers(1, 4), st.integers(1, 9)).flatmap(
    lambda shape: st.tuples(*[arrays(float, shape, elements=st.integers(-3, 3).map(float))] * 2)
)


def at_least(count: int, total: int, rate: float) -> float:
    """P(X >= count) by adding up all terms exactly."""
    p = Fraction(rate)
    return float(sum(math.comb(total, k) * p**k * (1 - p) ** (total - k) for k in range(count, total + 1)))


@given(st.integers(1, 60).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
@settings(deadline=None)
def test_at_an_end_of_the_interval_a_tail_has_half_of_what_is_left(counted: tuple[int, int]) -> None:
    """Clopper and Pearson's definition."""
    count, total = counted
    low, high = Share(count, total).interval()
    assert at_least(count, total, low) == pytest.approx(0.025, rel=1e-9) if count else low == 0.0
    assert 1.0 - at_least(count + 1, total, high) == pytest.approx(0.025, rel=1e-9) if count < total else high == 1.0


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        (9, 10, 0.554983882971805, 0.997471421455538),
        (64, 64, 0.943990910613363, 1.0),
        (0, 1000, 0.0, 0.003682083896866),
        (37, 400, 0.065965942590688, 0.125243313096657),
    ],
)
def test_intervals_in_reports_stay_as_they_are(count: int, total: int, low: float, high: float) -> None:
    """Values stated before."""
    np.testing.assert_allclose(Share(count, total).interval(), (low, high), rtol=0, atol=1e-12)


@given(st.integers(1, 60), st.floats(0, 1), st.data())
@settings(deadline=None)
def test_binomial_tail_is_the_sum_of_its_terms(total: int, rate: float, data: st.DataObject) -> None:
    """P(X >= count), also in the far tail."""
    count = data.draw(st.integers(0, total))
    expected = at_least(count, total, rate)
    assert Share(count, total).more_than_p(rate) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_nothing_counted_is_not_measured() -> None:
    """A share of nothing has no interval, and a count beyond its total is refused."""
    assert Share(0, 0).to_json() == {"not_measured": "there was nothing to count"}
    assert share_of(np.array([True, False, True, True])).to_json()["share"] == 0.75
    with pytest.raises(UsageError, match="3 of 2"):
        Share(3, 2)


@pytest.mark.slow
@given(ROWS)
@settings(max_examples=200, deadline=None)
def test_correlations_of_rows_are_those_of_each_row(rows: tuple[np.ndarray, np.ndarray]) -> None:
    """Ties share a rank, and a constant row is correlated with nothing."""
    left, right = rows
    found = spearman(left, right)
    for row, (a, b) in enumerate(zip(left, right, strict=True)):
        expected = stats.spearmanr(a, b).statistic if np.ptp(a) and np.ptp(b) else 0.0
        np.testing.assert_allclose(found[row], expected, atol=1e-12)
        np.testing.assert_allclose(spearman(a, b), expected, atol=1e-12)


def test_a_row_with_a_nan_is_correlated_with_nothing() -> None:
    """A diverged member's loss is no order."""
    assert spearman(np.array([1.0, np.nan, 2.0]), np.array([1.0, 2.0, 3.0])) == 0.0


@given(st.lists(st.floats(1e-6, 1.0), max_size=30))
def test_q_values_are_the_smallest_rates_that_reject(p_value: list[float]) -> None:
    """Benjamini and Hochberg's procedure, tried out at each hypothesis; also by the registry."""
    ordered, count = sorted(p_value), len(p_value)
    expected = [min([1.0, *(ordered[k] * count / (k + 1) for k in range(count) if ordered[k] >= p)]) for p in p_value]
    for computed in (benjamini_hochberg, q_values):
        np.testing.assert_allclose(computed(np.array(p_value)), expected, rtol=1e-12)


def test_uniformity_on_a_fine_grid_agrees_with_scipy() -> None:
    """With many decoys ranks are nearly continuous: distance and p are the textbook's."""
    rng = np.random.default_rng(0)
    for power in (1.0, 1.25):
        ranks = np.ceil(rng.random(300) ** power * 100_000).astype(np.int64)
        distance, p = uniformity(ranks, 100_000)
        expected = stats.kstest(ranks / 100_000, "uniform")
        assert distance == pytest.approx(expected.statistic, abs=2e-5)
        assert p == pytest.approx(expected.pvalue, abs=0.02)


def test_uniformity_on_a_coarse_grid_is_exact() -> None:
    """Three decoys, four places: brute force; uniform ranks pass here, not by the textbook."""
    rng = np.random.default_rng(1)
    ranks = rng.integers(1, 5, 400)
    brute = max(abs((ranks <= place).mean() - place / 4) for place in range(1, 5))
    assert uniformity(ranks, 4)[0] == pytest.approx(brute)
    called = [uniformity(rng.integers(1, 5, 60), 4, draws=199)[1] <= 0.05 for _ in range(300)]
    assert np.mean(called) < 0.09
    assert stats.kstest(ranks / 4, "uniform").pvalue < 1e-9


def test_uniformity_refuses_what_is_no_rank() -> None:
    """P-values instead of ranks, for example."""
    with pytest.raises(UsageError, match="ranks of p-values"):
        uniformity(np.array([0, 1]), 4)
