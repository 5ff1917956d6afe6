"""The grade of a candidate: how much it matters, from its test and the interval of its effect.

A small q says that a unit made a difference, however small. The grade says how much: it follows
from the lower end of the effect's 95 % interval, so that it is not better than the evidence.

| grade | q | lower end of the effect |
|---|---|---|
| main source | at or under the audit's rate | at or above ``main_source`` |
| contributes | at or under the rate | at or above ``contributes`` |
| detectable but slight | at or under the rate | below, or not measured |
| not shown | above the rate | any |

The two thresholds are settings of the audit, in its record. An audit without them has no grades.
:mod:`attribution.audit.record` says where the defaults come from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

Grade = Literal["main source", "contributes", "detectable but slight", "not shown"]
MAIN_SOURCE, CONTRIBUTES, SLIGHT, NOT_SHOWN = GRADES = get_args(Grade)
MATTERS = (MAIN_SOURCE, CONTRIBUTES)
"""Grades of units that matter to what a person sees."""
LOOK_ALIKES = "look_alikes"
"""The entry in an audit's test: lists of ranks, each a group of candidates tested as one."""


@dataclass(frozen=True)
class Thresholds:
    """Of the lower end of the effect, as shares of the way from the mean prediction to the unit."""

    main_source: float
    contributes: float

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Thresholds | None:
        """Those of an audit's settings; None: the audit has none."""
        values = [settings.get(name) for name in ("main_source", "contributes")]
        if not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
            return None
        return cls(*(float(value) for value in values if value is not None))


def grade_of(q_value: float, low: float | None, rate: float, thresholds: Thresholds) -> Grade:
    """The grade of one candidate; ``low``: None: the effect was not measured."""
    if not q_value <= rate:
        return "not shown"
    if low is None or not low >= thresholds.contributes:
        return "detectable but slight"
    return "main source" if low >= thresholds.main_source else "contributes"


def grade_by(settings: Mapping[str, Any] | None, q_value: float, low: float | None) -> Grade | None:
    """The grade by an audit's recorded settings; None: they have no thresholds, or no rate."""
    thresholds, rate = Thresholds.of(settings or {}), (settings or {}).get("false_discovery_rate")
    return None if thresholds is None or not isinstance(rate, float) else grade_of(q_value, low, rate, thresholds)


def is_slight(grade: Grade | None, low: float | None) -> bool:
    """Whether a found effect does not matter; without a grade: whether its interval reaches 0.

    ``low``: the lower end of the effect; None: the effect was not measured.
    """
    return grade == SLIGHT if grade else low is None or not low > 0


def look_alikes_of(test: Mapping[str, Any] | None) -> dict[int, int]:
    """By rank, the number of the candidate's group, from 1; candidates without one are left out."""
    groups = (test or {}).get(LOOK_ALIKES)
    if not isinstance(groups, list):
        return {}
    return {
        int(rank): number
        for number, ranks in enumerate(groups, start=1)
        if isinstance(ranks, list)
        for rank in ranks
        if isinstance(rank, int)
    }


GRADES_OF_CANDIDATES = f"""
    SELECT audit_id, rank, CASE
        WHEN NOT coalesce(isfinite(main_source) AND isfinite(contributes) AND isfinite(rate), false) THEN NULL
        WHEN NOT coalesce(isfinite(q_value) AND q_value <= rate, false) THEN '{NOT_SHOWN}'
        WHEN NOT coalesce(isfinite(effect_low) AND effect_low >= contributes, false) THEN '{SLIGHT}'
        WHEN effect_low >= main_source THEN '{MAIN_SOURCE}'
        ELSE '{CONTRIBUTES}' END AS grade
    FROM (
        SELECT candidate.audit_id, candidate.rank, q_value, effect_low,
            TRY_CAST(audit.settings ->> 'false_discovery_rate' AS DOUBLE) AS rate,
            TRY_CAST(audit.settings ->> 'main_source' AS DOUBLE) AS main_source,
            TRY_CAST(audit.settings ->> 'contributes' AS DOUBLE) AS contributes
        FROM candidate JOIN audit ON audit.id = candidate.audit_id
    )
"""  # noqa: S608 - constants
"""SQL: a row per candidate of every audit with its grade; NULL: the audit has no thresholds."""
