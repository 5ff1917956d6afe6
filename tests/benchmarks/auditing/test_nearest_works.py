"""What the benchmark of nearest works holds: each bar of its claim can be missed."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from benchmarks.auditing.nearest_works import NOT_RUN, _held

FOUND: dict[str, Any] = {
    "build": {"peak_bytes_beside_the_features": 1 << 30},
    "index": {
        "facts": {"recall": {"value": 0.97}},
        "processor_seconds": {"1": 0.5, "16": 1.0},
        "peak_bytes_beside_the_features": 1 << 30,
    },
    "exact": {"processor_seconds": {"1": 6.0, "16": 15.0}},
}


def test_all_bars_are_met() -> None:
    """With numbers inside every bar."""
    assert _held(FOUND)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("index", "facts", "recall", "value"), 0.9),
        (("index", "processor_seconds", "16"), 2.0),
        (("build", "peak_bytes_beside_the_features"), 3 << 30),
        (("index", "peak_bytes_beside_the_features"), 3 << 30),
        (("exact",), NOT_RUN),
    ],
)
def test_each_bar_can_be_missed(place: tuple[str, ...], value: object) -> None:
    """Recall, time, memory of the build and of a search; a part that has not run holds nothing."""
    found = deepcopy(FOUND)
    inner = found
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    assert not _held(found)
