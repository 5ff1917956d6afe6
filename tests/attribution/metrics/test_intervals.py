"""Exact shares and uniformity, as another library has them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from attribution.metrics.intervals import Share, at_least, clopper_pearson, share_of, uniformity
from registry.errors import UsageError


@given(st.integers(1, 400).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_clopper_pearson_agrees_with_scipy(counted: tuple[int, int]) -> None:
    """The exact interval, by beta quantiles."""
    expected = stats.binomtest(*counted).proportion_ci(0.95, method="exact")
    np.testing.assert_allclose(clopper_pearson(*counted), (expected.low, expected.high), atol=1e-9)


@given(st.integers(1, 300), st.floats(0, 1), st.data())
def test_binomial_tail_agrees_with_scipy(total: int, share: float, data: st.DataObject) -> None:
    """P(X >= count), also far out."""
    count = data.draw(st.integers(0, total + 1))
    assert at_least(count, total, share) == pytest.approx(stats.binom.sf(count - 1, total, share), rel=1e-7, abs=1e-12)


def test_nothing_counted_is_not_measured() -> None:
    """A share of nothing has no interval, and a count beyond its total is refused."""
    assert Share(0, 0).to_json() == {"not_measured": "there was nothing to count"}
    assert share_of(np.array([True, False, True, True])).to_json()["share"] == 0.75
    with pytest.raises(UsageError, match="3 of 2"):
        clopper_pearson(3, 2)


def test_uniformity_on_a_fine_grid_agrees_with_scipy() -> None:
    """With many decoys the ranks are as good as continuous, and both the distance and its
    probability are the textbook's.
    """
    rng = np.random.default_rng(0)
    for power in (1.0, 1.25):
        ranks = np.ceil(rng.random(300) ** power * 100_000).astype(np.int64)
        distance, p = uniformity(ranks, 100_000)
        expected = stats.kstest(ranks / 100_000, "uniform")
        assert distance == pytest.approx(expected.statistic, abs=2e-5)
        assert p == pytest.approx(expected.pvalue, abs=0.02)


def test_uniformity_on_a_coarse_grid_is_exact() -> None:
    """With three decoys p-values lie on four places: the distance is the largest over them, as
    brute force has it, and uniform ranks are seldom called anything else, where the continuous test
    always would.
    """
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
