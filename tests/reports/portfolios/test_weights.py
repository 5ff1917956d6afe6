"""The probability of a finding, and the weights of the two rules."""

from __future__ import annotations

import numpy as np
import pytest

from reports.portfolios.weights import probabilities, weights_of


def test_probability_falls_with_q_and_with_the_interval() -> None:
    """(1 - q) x P(effect > 0), by scipy's normal distribution; 1 - q without an effect."""
    from scipy.stats import norm

    q = np.asarray([0.01, 0.01, 0.04, 0.02])
    effect, low, high = np.asarray([0.3, 0.05, 0.05, np.nan]), np.asarray([0.2, -0.05, -0.05, np.nan]), np.full(4, 0.4)
    high[1:3] = 0.15
    found = probabilities(q, effect, low, high)
    spread = (high[:3] - low[:3]) / (2 * norm.ppf(0.975))
    assert found[:3] == pytest.approx((1 - q[:3]) * norm.cdf(effect[:3] / spread))
    assert found[3] == 0.98


def test_the_certainty_rule_is_one_minus_the_product_of_the_misses() -> None:
    """The weights of an output sum to 1 exactly where the probability of a source is enough."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        probability, certainty = rng.uniform(0.01, 0.99, 3), float(rng.uniform(0.1, 0.99))
        weights = weights_of(probability, np.zeros(3, np.int64), None, certainty, 1)
        assert (weights.sum() >= 1) == (1 - np.prod(1 - probability) >= certainty)


def test_hits_are_counted() -> None:
    """A finding weighs 1 / k; with all, one part of the output's findings."""
    outputs = np.asarray([0, 0, 0, 1])
    assert weights_of(np.ones(4) / 2, outputs, 2, 0.9, 2).tolist() == [0.5] * 4
    assert weights_of(np.ones(4) / 2, outputs, "all", 0.9, 2).tolist() == pytest.approx([1 / 3] * 3 + [1])
