"""Reads the newest measurement of an audit's firmness from the log, with suspicion."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ValidationError
from sqlmodel import Session

from registry.errors import IntegrityError
from registry.outputs.firmness import newest_firmness
from reports.facts import NotMeasured
from reports.firmness.facts import Change, Checks, Firmness, FirmRanking, FirmVerdict, RepeatedTest, SearchedRanker
from reports.rendering.wording import clipped

MOST_VERDICTS, MOST_CHANGES, MOST_RANKERS = 10, 40, 20
_NOT_FOUND = "the measurement does not say why"
_EARLIER = "an earlier version measured this, and it attacked likeness alone; run `creditline firmness` again"
THEOREM: Literal["Dai and Gifford, ICLR 2023, arXiv:2112.04033"] = "Dai and Gifford, ICLR 2023, arXiv:2112.04033"


def read_firmness(session: Session, audit_id: str) -> Firmness | NotMeasured | None:
    """The measurement of an audit; None: it was not measured."""
    try:
        kept = newest_firmness(session, audit_id)
    except IntegrityError as error:
        return NotMeasured(clipped(str(error)))
    if kept is None:
        return None
    facts = kept.facts
    try:
        return Firmness(
            measured_at=kept.made_at,
            event=kept.event,
            event_sha256=kept.event_sha256,
            verdicts=[_verdict(each) for each in facts["verdicts"][:MOST_VERDICTS]],
            ranking=_ranking(facts),
            test=clipped(str(facts["evidence"]["sentence"])),
            repeated=[_repeated(each) for each in facts["evidence"].get("changes", [])[:MOST_CHANGES]],
            order_l2=_number(facts["theorem"]["order_l2"]),
            theorem=THEOREM,
        )
    except (KeyError, TypeError, ValueError, AttributeError, ValidationError):
        return NotMeasured(f"event {kept.event} of the log, which should have it, cannot be read")


def _verdict(facts: Mapping[str, Any]) -> FirmVerdict:
    benign = facts["benign"][:MOST_CHANGES]
    return FirmVerdict(
        by=clipped(str(facts["by"])),
        unit=clipped(str(facts["label"])),
        smallest_l2=_change(facts["l2"]),
        smallest_linf=_change(facts["linf"]),
        benign=len(benign),
        turned_by=[clipped(str(each["change"])) for each in benign if not each["same"]],
    )


def _ranking(facts: Mapping[str, Any]) -> FirmRanking | NotMeasured:
    found = facts.get("ranking")
    if found is None:
        return NotMeasured(_EARLIER)
    if "not_measured" in found:
        return NotMeasured(clipped(str(found["not_measured"] or _NOT_FOUND)))
    rankers = [
        SearchedRanker(name=clipped(str(each["name"])), weight=_number(each["weight"]), search=each["search"])
        for each in found["rankers"][:MOST_RANKERS]
    ]
    return FirmRanking(**dict(_verdict(found)), rankers=rankers, checks=_checks(found.get("checks")))


def _checks(facts: Mapping[str, Any] | None) -> Checks | None:
    if facts is None:
        return None
    return Checks(
        most=_count(facts["most"]),
        l2=_count(facts["l2"]),
        linf=_count(facts["linf"]),
        ended=facts["ended"][:MOST_CHANGES],
    )


def _change(facts: Mapping[str, Any]) -> Change | NotMeasured:
    if "not_measured" in facts:
        return NotMeasured(clipped(str(facts["not_measured"] or _NOT_FOUND)))
    return Change(into=clipped(str(facts["label"])), l2=_number(facts["l2"]), linf=int(facts["linf"]))


def _repeated(facts: Mapping[str, Any]) -> RepeatedTest:
    p_value, q_value = facts["p"], facts["q"]
    return RepeatedTest(
        change=clipped(str(facts["change"])),
        passes=bool(facts["passes"]),
        p_value=None if p_value is None else _number(p_value),
        q_value=None if q_value is None else _number(q_value),
    )


def _count(value: object) -> int:
    """A whole number from 0; raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"got {str(value)[:40]!r}, expected a number of pictures")
    return value


def _number(value: object) -> float:
    """A finite number; raises TypeError or ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"got {str(value)[:40]!r}, expected a number")
    return float(value)
