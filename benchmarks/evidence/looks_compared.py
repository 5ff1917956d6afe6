"""Plans of looks beside each other: power, effects, grades, level; and what is enough.

The bounds are those of :mod:`benchmarks.evidence.looks`, where they were written before the sets
were run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats

from attribution.metrics.statistics import share_of
from attribution.ranking.rankers.fusion import SummedScores, fit_fusion

USUAL, OTHERS, MIXED = "all pairs", "all pairs, other noise", "8 looks, 50% run"
CANDIDATES = (6, 8, 10, 12)
"""Numbers of looks that may become the default."""
MARGIN, SLOPE, SAME, BELOW_OTHERS, LEVEL, ROOM = 0.05, 0.05, 0.95, 0.02, 0.05, 0.95
POWERS = ("p_at_most_0.05", "p_at_most_0.01")
Row = dict[str, Any]
"""An output: its number; ``rows`` by plan, one for each of two seeds; ``loss`` and ``null`` by
plan."""


def told(found: Sequence[Row]) -> dict[str, Any]:
    """Every plan of some outputs, by itself and beside all pairs."""
    usual = [each["rows"][USUAL] for each in found]
    mine = {name: [each["rows"][name] for each in found] for name in found[0]["rows"]}
    mine[OTHERS] = [pair[1:] for pair in usual]
    results: dict[str, Any] = {}
    for name, rows in mine.items():
        first = np.array([[row["p"][0] for row in pair] for pair in rows])
        results[name] = {
            "p_at_most_0.05": round(float((first <= 0.05).mean()), 4),
            "p_at_most_0.01": round(float((first <= 0.01).mean()), 4),
            "median_width": round(float(np.nanmedian([[row["width"] for row in pair] for pair in rows])), 4),
        }
        if name != USUAL:
            results[name]["beside_all_pairs"] = beside(rows, [pair[:1] for pair in usual] if name == OTHERS else usual)
        null = np.array([p for each in found for p in each["null"].get(name, [])])
        if len(null):
            results[name]["codes_dealt_anew"] = {
                "p_at_most_0.05": share_of(null <= 0.05).to_json(),
                "kolmogorov_smirnov_p": round(float(stats.kstest(null, "uniform").pvalue), 4),
            }
    return results


def beside(mine: Sequence[Sequence[Row]], usual: Sequence[Sequence[Row]]) -> dict[str, Any]:
    """Paired by output and seed; an output counts with the mean over its seeds."""
    figures: Mapping[str, Callable[[Row], float]] = {
        "p_at_most_0.05": lambda row: float(row["p"][0] <= 0.05),
        "p_at_most_0.01": lambda row: float(row["p"][0] <= 0.01),
        "log10_p": lambda row: float(np.log10(row["p"][0])),
        "width": lambda row: float(row["width"]),
    }
    pairs = [list(zip(one, other, strict=True)) for one, other in zip(mine, usual, strict=True)]
    found: dict[str, Any] = {}
    for name, figure in figures.items():
        difference = np.array([np.mean([figure(one) - figure(other) for one, other in pair]) for pair in pairs])
        centre, wide = float(difference.mean()), stats.t.ppf(0.975, len(pairs) - 1) * stats.sem(difference)
        found[name] = {
            "difference": round(centre, 4),
            "interval_95": [round(centre - wide, 4), round(centre + wide, 4)],
        }
    one, other = np.array([(a["estimate"], b["estimate"]) for pair in pairs for a, b in pair]).T
    known = np.isfinite(one) & np.isfinite(other)
    found["slope_of_effects"] = round(float(one[known] @ other[known] / (other[known] @ other[known])), 4)
    found["correlation_of_effects"] = round(float(np.corrcoef(one[known], other[known])[0, 1]), 4)
    same = [
        np.array(
            [g == u for pair in pairs for a, b in pair for g, u in zip(a["grades"][:most], b["grades"], strict=False)]
        )
        for most in (None, 1)
    ]
    found["same_grade"], found["same_grade_of_the_first"] = (share_of(each).to_json() for each in same)
    return found


def rankers_told(found: Sequence[Row], summed: list[SummedScores]) -> dict[str, Any]:
    """The grades of rankers, and the choice among them, by the members' losses under each plan."""
    results: dict[str, Any] = {}
    outputs = [each["output"] for each in found]
    summed = [replace(one, seen=one.seen[:, outputs]) for one in summed]
    usual = np.array([each["loss"][USUAL][0] for each in found])
    losses = {name: np.array([each["loss"][name][0] for each in found]) for name in found[0]["loss"] if name != MIXED}
    losses[OTHERS] = np.array([each["loss"][USUAL][1] for each in found])
    for name, loss in losses.items():
        choice = fit_fusion(summed, loss)
        alike = [np.corrcoef(one, other)[0, 1] for one, other in zip(loss, usual, strict=True)]
        results[name] = {
            "mean_correlation_of_losses_over_members": round(float(np.mean(alike)), 4),
            "best_member_lds": {
                one.name: round(max(by_scale), 4) for one, by_scale in zip(summed, choice.by_scale, strict=True)
            },
            "choice": [part.to_json() for part in choice.parts],
            "grade": None if choice.grade is None else choice.grade.to_json(),
        }
    return results


def decided(sets: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    """All sets together, those with room, and which numbers of looks are enough."""
    every = [row for rows in sets.values() for row in rows]
    room = {name: rows for name, rows in sets.items() if told(rows)[USUAL]["p_at_most_0.05"] <= ROOM}
    together = told(every)
    parts = [together, *([told([row for rows in room.values() for row in rows])] if room else [])]
    enough = {}
    for few in CANDIDATES:
        name = f"{few} looks"
        powers = [part[name]["beside_all_pairs"][level]["interval_95"][0] for part in parts for level in POWERS]
        mine, others = (together[one]["beside_all_pairs"]["same_grade"]["share"] for one in (name, OTHERS))
        null = together[name].get("codes_dealt_anew")
        enough[name] = {
            "power": bool(room and min(powers) > -MARGIN),
            "scale": bool(abs(together[name]["beside_all_pairs"]["slope_of_effects"] - 1.0) <= SLOPE),
            "grades": bool(mine >= min(SAME, others - BELOW_OTHERS)),
            "level": bool(null is not None and null["p_at_most_0.05"]["low"] <= LEVEL),
        }
    return {
        "all": {"outputs": len(every), "plans": together},
        "with_room": {
            "sets": list(room),
            "outputs": sum(map(len, room.values())),
            "plans": parts[-1] if room else None,
        },
        "enough": enough,
    }
