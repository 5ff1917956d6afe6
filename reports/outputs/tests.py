"""What an audit recorded of its tests: how they were made, the candidates' effects, and the tests
of rightsholders.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from registry.errors import IntegrityError
from registry.storage.tables import Audit, Candidate
from reports.facts import NotMeasured
from reports.outputs.facts import Effect, RandomisationTest, RightsholderTest, RightsholderTests

NO_EFFECT = "the audit did not measure it"


def read_test(audit: Audit, merged: Mapping[str, str]) -> RandomisationTest:
    """How the shortlist was tested. ``merged``: see :class:`reports.outputs.rows.Rows`.

    Raises:
        IntegrityError: the audit does not say.
    """
    try:
        test, settings = audit.test or {}, audit.settings or {}
        effect = test.get("effect") or {}
        middle = test.get("sqrt_alpha_bar")
        rate = float(settings["false_discovery_rate"])
        return RandomisationTest(
            statistic=str(test["statistic"]),
            steps=test.get("steps"),
            sqrt_alpha_bar=(float(middle[0]), float(middle[1])) if middle else None,
            decoys=int(test["decoys"]),
            decoys_available=test.get("decoys_available"),
            decoys_chosen=test.get("decoys_chosen"),
            effect_method=effect.get("method"),
            effect_unit=effect.get("unit"),
            smallest_p=float(test["smallest_p"]),
            smallest_q=float(test["smallest_q"]),
            false_discovery_rate=rate,
            rightsholders=_rightsholders(test.get("rightsholders"), rate, merged),
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise IntegrityError(
            f"audit {audit.id} does not record how it tested ({error}); run the audit again"
        ) from error


def read_effect(row: Candidate) -> Effect | NotMeasured:
    """A candidate's effect with its interval, or why there is none."""
    values = (row.effect, row.effect_low, row.effect_high)
    if row.effect is None or row.effect_low is None or row.effect_high is None:
        return NotMeasured(row.effect_not_measured or NO_EFFECT)
    if not all(value is not None and math.isfinite(value) for value in values):
        return NotMeasured("it was recorded as no number")
    return Effect(row.effect, row.effect_low, row.effect_high)


def tested_rightsholders(audit: Audit) -> list[str]:
    """The names that an audit tested; none where it does not say."""
    test: Any = audit.test
    found = test.get("rightsholders") if isinstance(test, Mapping) else None
    tested = found.get("tested") if isinstance(found, Mapping) else None
    rows = tested if isinstance(tested, list) else []
    return [str(row["name"]) for row in rows if isinstance(row, Mapping) and "name" in row]


def _rightsholders(
    found: Mapping[str, Any] | None, rate: float, merged: Mapping[str, str]
) -> RightsholderTests | NotMeasured:
    if found is None:
        return NotMeasured(NO_EFFECT)
    if "not_measured" in found:
        return NotMeasured(str(found["not_measured"]))
    tested = tuple(
        RightsholderTest(
            name=str(row["name"]),
            counts_as=merged.get(str(row["name"])),
            works=int(row["works"]),
            p_value=float(row["p"]),
            q_value=float(row["q"]),
            passes=float(row["q"]) <= rate,
        )
        for row in found["tested"]
    )
    return RightsholderTests(str(found["method"]), int(found["draws"]), int(found["works"]), tested)
