"""ROC curves: known areas, and thresholds that keep their rate."""

from __future__ import annotations

import numpy as np
import pytest

from attribution.metrics.roc import area_facts, area_under_curve, curve, found_at


def test_known_areas() -> None:
    """Perfect, chance, reversed, and ties count half."""
    low, high = np.arange(5.0), np.arange(5.0) + 10.0
    assert area_under_curve(high, low) == 1.0
    assert area_under_curve(low, high) == 0.0
    assert area_under_curve(low, low) == 0.5
    assert area_under_curve(np.array([1.0, 3.0]), np.array([2.0, 0.0])) == 0.75


def test_the_area_is_that_under_the_curve() -> None:
    """By trapezoids; the interval holds it."""
    generator = np.random.default_rng(0)
    seen, unseen = generator.normal(1.0, 1.0, 60), generator.normal(0.0, 1.0, 90)
    points = np.array(curve(seen, unseen))
    assert points[0].tolist() == [0.0, 0.0]
    assert points[-1].tolist() == [1.0, 1.0]
    facts = area_facts(seen, unseen)
    assert float(np.trapezoid(points[:, 1], points[:, 0])) == pytest.approx(facts["value"])
    assert facts["low"] < facts["value"] < facts["high"]


@pytest.mark.parametrize("rate", [0.05, 0.01, 0.001])
def test_few_of_the_unseen_are_found(rate: float) -> None:
    """At most the rate, also with ties."""
    unseen = np.round(np.random.default_rng(1).normal(size=150), 1)
    assert found_at(unseen, unseen, rate).mean() <= rate
    assert found_at(np.array([9.0]), unseen, rate).all()
