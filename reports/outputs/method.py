"""The method of an audit: its ranking, its tests, and the tests of rightsholders."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from registry.errors import IntegrityError
from registry.outputs.searches import searched_works
from registry.outputs.shares import Received, shares_of, unattributed_of
from registry.storage import tables
from reports.facts import NotMeasured
from reports.outputs.facts import (
    Effect,
    MemberScore,
    Method,
    OutputShare,
    OutputShares,
    RightsholderShare,
    RightsholderTest,
    RightsholderTests,
)

NOT_ASKED = "the audit did not measure it"


def read_method(audit: tables.Audit, evaluation: Sequence[str]) -> Method:
    """How the shortlist was ranked and tested.

    ``evaluation``: sentences on the quality of the ensemble's evidence.

    Raises:
        IntegrityError: the audit does not record the method.
    """
    try:
        ranker, test, settings = audit.ranker or {}, audit.test or {}, audit.settings or {}
        effect = test.get("effect") or {}
        return Method(
            ranker=str(ranker.get("name", "not recorded")),
            bandwidth=ranker.get("bandwidth"),
            member_lds=_member_score(ranker.get("member_lds") or {}),
            searched=searched_works(ranker),
            statistic=str(test["statistic"]),
            steps=test.get("steps"),
            decoys=int(test["decoys"]),
            decoys_available=test.get("decoys_available"),
            decoys_chosen=test.get("decoys_chosen"),
            effect_method=effect.get("method"),
            effect_unit=effect.get("unit"),
            smallest_p=float(test["smallest_p"]),
            smallest_q=float(test["smallest_q"]),
            false_discovery_rate=float(settings["false_discovery_rate"]),
            settings=settings,
            versions=audit.versions or {},
            timings=audit.timings or {},
            evaluation=list(evaluation),
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise _unrecorded(audit, error) from error


def read_signal_range(audit: tables.Audit) -> tuple[float, float] | None:
    """Range of sqrt(alpha_bar) over the steps of the test; None: not recorded.

    Raises:
        IntegrityError: the record is not two numbers.
    """
    try:
        low_high = (audit.test or {}).get("sqrt_alpha_bar")
        return (float(low_high[0]), float(low_high[1])) if low_high else None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise _unrecorded(audit, error) from error


def read_effect(row: tables.Candidate) -> Effect | NotMeasured:
    """A candidate's effect with its interval, or why it is missing."""
    if row.effect is None or row.effect_low is None or row.effect_high is None:
        return NotMeasured(row.effect_not_measured or NOT_ASKED)
    if not all(math.isfinite(value) for value in (row.effect, row.effect_low, row.effect_high)):
        return NotMeasured("it was recorded as no number")
    return Effect(value=row.effect, low=row.effect_low, high=row.effect_high)


def read_share(audit: tables.Audit, rank: int) -> OutputShare | NotMeasured:
    """A candidate's share of the output, or why the output is not divided."""
    found = shares_of(audit.test)
    if isinstance(found, str):
        return NotMeasured(found)
    return OutputShare(**vars(found[rank])) if rank in found else NotMeasured(NOT_ASKED)


def read_shares(audit: tables.Audit, received: Sequence[Received]) -> OutputShares | NotMeasured:
    """How the output is divided; ``received``: by rightsholder, as of now."""
    found, unattributed, test = shares_of(audit.test), unattributed_of(audit.test), audit.test or {}
    if isinstance(found, str) or unattributed is None:
        return NotMeasured(found if isinstance(found, str) else NOT_ASKED)
    return OutputShares(
        method=str(test["shares"].get("method", "not recorded")),
        interval=str(test["shares"].get("interval", "not recorded")),
        unattributed=OutputShare(**vars(unattributed)),
        rightsholders=[RightsholderShare(name=each.name, share=OutputShare(**vars(each.share))) for each in received],
    )


def tested_rightsholders(audit: tables.Audit) -> list[str]:
    """The rightsholders that an audit tested; empty if not recorded."""
    test: Any = audit.test
    found = test.get("rightsholders") if isinstance(test, Mapping) else None
    tested = found.get("tested") if isinstance(found, Mapping) else None
    rows = tested if isinstance(tested, list) else []
    return [str(row["name"]) for row in rows if isinstance(row, Mapping) and "name" in row]


def read_rightsholder_tests(
    audit: tables.Audit, rate: float, merged: Mapping[str, str]
) -> RightsholderTests | NotMeasured:
    """The joint tests of rightsholders at the audit's false discovery rate.

    ``merged``: see :class:`reports.outputs.rows.Rows`.

    Raises:
        IntegrityError: the recorded tests have another form.
    """
    try:
        found = (audit.test or {}).get("rightsholders")
        if found is None:
            return NotMeasured(NOT_ASKED)
        if "not_measured" in found:
            return NotMeasured(str(found["not_measured"]))
        tested = [
            RightsholderTest(
                name=str(row["name"]),
                counts_as=merged.get(str(row["name"])),
                works=int(row["works"]),
                p_value=float(row["p"]),
                q_value=float(row["q"]),
                passes=float(row["q"]) <= rate,
            )
            for row in found["tested"]
        ]
        return RightsholderTests(
            method=str(found["method"]), draws=int(found["draws"]), works=int(found["works"]), tested=tested
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise _unrecorded(audit, error) from error


def _member_score(grade: Mapping[str, Any]) -> MemberScore | NotMeasured:
    if "not_measured" in grade or "value" not in grade:
        return NotMeasured(str(grade.get("not_measured", "the audit did not grade its ranker")))
    return MemberScore(value=grade["value"], low=grade.get("low"), high=grade.get("high"), samples=grade.get("samples"))


def _unrecorded(audit: tables.Audit, error: Exception) -> IntegrityError:
    return IntegrityError(f"audit {audit.id} does not record how it tested ({error}); run the audit again")
