"""The study of looks: what is enough, on made-up outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.evidence.looks_compared import CANDIDATES, USUAL, Row, beside, decided, rankers_told, told
from benchmarks.lds.rankers import Scored

PLANS = (USUAL, *(f"{few} looks" for few in CANDIDATES))


def row(p: float, estimate: float, grade: str = "contributes") -> dict[str, Any]:
    return {"p": [p, 0.5], "estimate": estimate, "width": 0.1, "grades": [grade, "not shown"]}


def outputs(count: int = 200) -> list[Row]:
    """Every second output has a first work that is found; all plans tell the same."""
    uniform = ((np.arange(count) + 0.5) / count).tolist()
    found = []
    for number in range(count):
        same = [row(0.001, 0.2) if number % 2 else row(0.3, 0.01, "not shown")] * 2
        found.append({"rows": dict.fromkeys(PLANS, same), "null": {name: [uniform[number]] for name in PLANS}})
    return found


def changed(found: list[Row], plan: str, every: int, to: dict[str, Any]) -> list[Row]:
    """The outputs, with other rows of a plan for some of them."""
    return [
        {**each, "rows": {**each["rows"], plan: [to] * 2}} if number % every == 1 else each
        for number, each in enumerate(found)
    ]


def test_the_same_rows_are_enough() -> None:
    """No difference, a slope of 1, one grade, and a level that holds."""
    found = decided({"a set": outputs()})
    assert all(all(met.values()) for met in found["enough"].values())
    same = found["all"]["plans"]["6 looks"]["beside_all_pairs"]
    assert same["p_at_most_0.05"] == {"difference": 0.0, "interval_95": [0.0, 0.0]}
    assert (same["slope_of_effects"], same["same_grade"]["share"]) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("to", "missed"),
    [
        (row(0.3, 0.2), {"power"}),
        (row(0.001, 0.4), {"scale"}),
        (row(0.001, 0.2, "main source"), {"grades"}),
    ],
)
def test_each_loss_is_seen(to: dict[str, Any], missed: set[str]) -> None:
    """In a quarter of the outputs six looks tell something else: six are not enough, eight are."""
    found = decided({"a set": changed(outputs(), "6 looks", 4, to)})["enough"]
    assert {name for name, met in found["6 looks"].items() if not met} == missed
    assert all(found["8 looks"].values())


def test_a_level_that_does_not_hold_is_seen() -> None:
    """A tenth of the p-values under wrong codes are small."""
    found = outputs()
    for number, each in enumerate(found):
        each["null"] = {**each["null"], "6 looks": [0.01 if number % 10 == 0 else 0.5]}
    assert decided({"a set": found})["enough"]["6 looks"]["level"] is False


def test_sets_where_everything_is_found_show_no_power() -> None:
    """At the limit of power nothing can be lost, so such sets decide nothing."""
    full = [
        {**each, "rows": dict.fromkeys(PLANS, [row(0.001, 0.2 + 0.1 * (number % 2))] * 2)}
        for number, each in enumerate(outputs())
    ]
    enough = decided({"a set": full})["enough"]
    assert not any(met["power"] for met in enough.values())


def test_an_output_counts_once_however_many_seeds_it_has() -> None:
    """The interval is over outputs: two seeds that tell the same do not make it narrower."""
    usual = [[row(0.3, 0.1)] * 2] * 50
    mine = [[row(0.01 if number % 5 == 0 else 0.3, 0.1)] * 2 for number in range(50)]
    low, high = beside(mine, usual)["p_at_most_0.05"]["interval_95"]
    once = beside([pair[:1] for pair in mine], [pair[:1] for pair in usual])["p_at_most_0.05"]["interval_95"]
    assert [low, high] == once
    assert low < 0.2 < high


def test_rankers_are_graded_under_each_plan() -> None:
    """Losses that follow what members saw grade at 1, whatever the scale of the scores."""
    rng = np.random.default_rng(0)
    seen = rng.random((20, 8)) < 0.5
    summed = Scored("pixels", (0.1,), rng.normal(size=(1, 6, 20))).summed(seen)
    losses = -summed.seen[0]
    rows = [
        {"output": number, "rows": {}, "null": {}, "loss": {USUAL: [mine.tolist(), (3.0 * mine + 1.0).tolist()]}}
        for number, mine in enumerate(losses)
    ]
    graded = rankers_told(rows, [summed])
    assert graded[USUAL]["best_member_lds"] == {"pixels": 1.0}
    assert rankers_told(rows[3:], [summed])[USUAL]["best_member_lds"] == {"pixels": 1.0}
    assert graded["all pairs, other noise"]["mean_correlation_of_losses_over_members"] == 1.0
    assert told(outputs())["8 looks"]["p_at_most_0.05"] == 0.5
