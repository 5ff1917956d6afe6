"""Whether the models saw an image from outside itself, in words that claim no more than was shown.

Three answers are kept apart: *this work was trained on*, *these models lean on registered works*,
and *nothing shown*. The first is said by the record, where the file is a registered work that a
member saw, or by the test against probes, with its error. Without probes it is never said by a
test. The facts come from the audit's row and are read with suspicion.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from registry.encodings.probes import kept_out
from registry.storage.tables import Audit
from reports.facts import NotMeasured
from reports.rendering.wording import count, percent
from reports.seen.facts import RegisteredFile, Seen

EARLIER = "this audit was made before creditline asked whether the models saw the image itself"
UNREADABLE = "what the audit kept about it cannot be read"
NOT_KEPT = "the audit does not say why"
LOOK_ALIKE = (
    "A picture that was not trained on, but differs from a trained work in a detail alone, is called so more often."
)


def read_seen(audit: Audit) -> Seen | NotMeasured | None:
    """The answer of an audit; None: the image was generated here."""
    if audit.subject_kind != "image":
        return None
    test: Any = audit.test
    facts = test.get("seen") if isinstance(test, Mapping) else None
    if facts is None:
        return NotMeasured(EARLIER)
    try:
        return _seen(facts, leans=bool(audit.attributable))
    except (KeyError, TypeError, ValueError, AttributeError):
        return NotMeasured(UNREADABLE)


def _seen(facts: Mapping[str, Any], *, leans: bool) -> Seen:
    level, probes = float(facts["level"]), int(facts["probes"])
    p_value = _number(facts["p"])
    named = facts["registered_file"]
    file = None if named is None else RegisteredFile.model_validate(named)
    nearest = facts.get("nearest")
    values: dict[str, Any] = {
        "level": level,
        "probes": probes,
        "p_value": p_value,
        "smallest_p": 1.0 / (1.0 + max(0, probes)),
        "statistic": _number(facts["statistic"]),
        "randomisation_p": _number(facts.get("randomisation_p", {"not_measured": NOT_KEPT})),
        "nearest_asset_id": int(nearest["asset"]) if isinstance(nearest, Mapping) else None,
        "registered_file": file,
    }
    # The answer is drawn from the facts again: one on record that they do not support is not told.
    if file is not None and file.members:
        members = count(len(file.members), "member")
        return Seen(
            answer="trained_on",
            ground="record",
            sentence=f"This work was trained on: the file is registered work {file.asset_id}, and {members} in service saw it.",
            explanation="That is a fact of the registry and no estimate.",
            **values,
        )
    is_probe = file is not None and file.probe
    by_test = not isinstance(p_value, NotMeasured) and probes > 0 and values["smallest_p"] <= p_value <= level
    if by_test and not is_probe:
        return Seen(
            answer="trained_on",
            ground="test",
            sentence=f"This work was trained on, by a test with an error of at most {percent(level)}.",
            explanation=f"{_against(p_value, probes)} Of images of this kind that no member saw, the test calls at most "
            f"{percent(level)} trained on. {LOOK_ALIKE}",
            **values,
        )
    itself = _not_shown(p_value, probes, values["smallest_p"], level, is_probe=is_probe)
    if leans:
        sentence = (
            "These models lean on registered works for this image. It is not shown that they saw the image itself."
        )
        return Seen(answer="leans_on", ground="test", sentence=sentence, explanation=itself, **values)
    sentence = (
        "Nothing shown: neither that these models saw this image, nor that they lean on a registered work for it."
    )
    return Seen(answer="nothing_shown", ground="test", sentence=sentence, explanation=itself, **values)


def _number(value: object) -> float | NotMeasured:
    if isinstance(value, Mapping):
        return NotMeasured(str(value["not_measured"]))
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return NotMeasured(UNREADABLE)
    return float(value)


def _against(p_value: float | NotMeasured, probes: int) -> str:
    if isinstance(p_value, NotMeasured):
        return ""
    as_strong = max(0, round(p_value * (1 + probes)) - 1)
    these = "none gives" if not as_strong else f"{as_strong:,} {'gives' if as_strong == 1 else 'give'}"
    kept = count(probes, "work")
    return f"Of {kept} that no member saw by choice, {these} as strong a sign of having been seen (p = {p_value:.2g})."


def _not_shown(p_value: float | NotMeasured, probes: int, least: float, level: float, *, is_probe: bool) -> str:
    if is_probe:
        return f"The file is a registered work that the encoding has {kept_out(1)}."
    if isinstance(p_value, NotMeasured):
        return f"Whether they saw the image itself was not tested: {p_value.not_measured}."
    if least > level:
        return (
            f"{_against(p_value, probes)} With so few, p cannot be below {least:.2g}, so no image could be called trained on "
            f"with an error of at most {percent(level)}."
        )
    return f"{_against(p_value, probes)} That they did not see it is not shown either."
