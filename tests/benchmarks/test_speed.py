"""The small benchmarks of ``make bench``: exponents, bars, and comparison with earlier results."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.speed.laws import MARGIN, Law
from benchmarks.speed.ratios import TIMED, WORSE, Ratio, Timed


@given(st.floats(0, 3), st.floats(0, 3))
def test_the_exponent_of_a_power_is_found(power: float, theory: float) -> None:
    """Cheaper growth than theory agrees; dearer growth beyond the margin does not."""

    def seconds(sizes: Sequence[int]) -> list[float]:
        return [0.01 * size**power for size in sizes]

    found = Law("works", theory, (10, 100, 1000), seconds, "made up").measured()
    assert math.isclose(found["exponent"], power, abs_tol=0.02)
    if abs(power - theory - MARGIN) > 0.02:
        assert found["agrees"] == (power <= theory + MARGIN)


@given(st.sampled_from(["higher", "lower"]), st.floats(0.01, 100))
def test_only_a_ratio_that_is_worse_by_more_than_noise_is_pointed_out(better: str, before: float) -> None:
    ratio = Ratio(lambda found: found["ratio"], bar=1.0, better=better)  # type: ignore[arg-type]  # both are sampled
    sign = -1 if better == "higher" else 1
    assert ratio.is_worse(before * (1 + sign * (WORSE + 0.01)), before)
    assert not ratio.is_worse(before * (1 + sign * (WORSE - 0.01)), before)
    assert not ratio.is_worse(before * (1 - sign * 0.5), before)


@pytest.mark.parametrize("timed", TIMED, ids=lambda timed: timed.module)
def test_every_benchmark_is_there(timed: Timed) -> None:
    """A benchmark that moves takes its line of the table with it."""
    found = importlib.import_module(f"benchmarks.{timed.module}")
    # A benchmark of several modules has its start in one of them.
    started = importlib.import_module(f"{found.__name__}.__main__") if hasattr(found, "__path__") else found
    assert callable(started.main)
