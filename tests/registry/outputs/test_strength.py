"""The strength of a verdict: what makes it strong, weak or borderline, and what is no verdict."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.outputs.strength import strength_of

RATES = st.floats(0.001, 0.4)
SHARES = st.floats(0.0, 1.0)


@pytest.mark.parametrize(
    ("q_value", "slight", "strength"),
    [
        (0.0049, False, "strong"),
        (0.025, False, "strong"),
        (0.025, True, "weak"),
        (0.026, False, "borderline"),
        (0.05, True, "borderline"),
        (0.1, False, "borderline"),
        (0.101, False, None),
        (math.nan, False, None),
    ],
)
def test_by_hand(q_value: float, slight: bool, strength: str | None) -> None:
    """At a rate of 0.05, by q and by the size of the effect."""
    assert strength_of(q_value, 0.05, slight=slight) == strength


@given(RATES, SHARES, st.booleans())
def test_strong_and_weak_also_pass_a_test_that_is_twice_as_strict(rate: float, q_value: float, slight: bool) -> None:
    """And what is no verdict passes not even a test that is half as strict."""
    strength = strength_of(q_value, rate, slight=slight)
    assert (strength in ("strong", "weak")) == (2 * q_value <= rate)
    assert (strength is None) == (q_value > 2 * rate)
    assert strength != ("strong" if slight else "weak")
