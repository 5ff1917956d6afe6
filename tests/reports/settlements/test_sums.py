"""Sums of shares over outputs: they add up, in every resample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.settlements.sums import summed


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 40), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_amounts_are_sums_and_intervals_hold_the_mean(outputs: int, rows: int, seed: int) -> None:
    """The amount of a row is the sum of its shares; the interval lies between its smallest and its
    largest share and is the same when summed again.
    """
    shares = np.random.default_rng(seed).dirichlet(np.ones(rows), outputs)
    places = np.tile(np.arange(rows), outputs), np.repeat(np.arange(outputs), rows)
    found, again = (summed(*places, shares.ravel(), (rows, outputs)) for _ in range(2))
    assert found.amount == pytest.approx(shares.sum(axis=0))
    assert found.amount.sum() == pytest.approx(outputs)
    assert (found.outputs == (shares > 0).sum(axis=0)).all()
    assert (found.low >= shares.min(axis=0) - 1e-12).all()
    assert (found.high <= shares.max(axis=0) + 1e-12).all()
    assert (found.low == again.low).all()


def test_the_interval_covers_the_mean_of_all_outputs() -> None:
    """Of 200 periods of 50 outputs each, about 95 % have an interval that holds the true mean."""
    generator, covered = np.random.default_rng(0), 0
    for _ in range(200):
        share = generator.beta(1.0, 4.0, 50)
        found = summed(np.zeros(50, dtype=np.int64), np.arange(50), share, (1, 50))
        covered += bool(found.low[0] <= 0.2 <= found.high[0])
    assert 0.88 <= covered / 200 <= 0.99
