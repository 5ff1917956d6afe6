"""Rank correlation beside scipy's."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from attribution.metrics.correlation import centred_ranks, spearman

ROWS = st.tuples(st.integers(1, 4), st.integers(1, 9)).flatmap(
    lambda shape: st.tuples(*[arrays(float, shape, elements=st.integers(-3, 3).map(float))] * 2)
)


@given(ROWS)
@settings(max_examples=200, deadline=None)
def test_ranks_and_correlations_are_scipys(rows: tuple[np.ndarray, np.ndarray]) -> None:
    """Ties share a rank, and a constant row is correlated with nothing."""
    left, right = rows
    count = left.shape[1]
    np.testing.assert_allclose(centred_ranks(left), stats.rankdata(left, axis=1) - (count + 1) / 2)
    found = spearman(left, right)
    for row, (a, b) in enumerate(zip(left, right, strict=True)):
        expected = stats.spearmanr(a, b).statistic if np.ptp(a) and np.ptp(b) else 0.0
        np.testing.assert_allclose(found[row], expected, atol=1e-12)
        np.testing.assert_allclose(spearman(a, b), expected, atol=1e-12)
