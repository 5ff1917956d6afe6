"""What another version of a filing is for: where its facts differ from those of the version before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.exports.filing import ChangePart

MOST_CHANGES = 100
LONGEST_VALUE = 200
_NAMES = ("name", "reference", "domain", "protocol", "use")
"""Fields that tell the entries of a list apart, so that one that moved has not changed."""


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[ChangePart]:
    """The values of plain JSON objects that differ, by place; those beyond :data:`MOST_CHANGES` are left out."""
    old, new = dict(_values("", before)), dict(_values("", now))
    places = [place for place in {**old, **new} if old.get(place) != new.get(place)]
    return [
        ChangePart(what=place, before=_text(old.get(place)), now=_text(new.get(place)))
        for place in places[:MOST_CHANGES]
    ]


def _values(place: str, value: Any) -> list[tuple[str, Any]]:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        entries = [(str(name).replace("_", " "), each) for name, each in value.items()]
    elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        entries = [(_name(number, each), each) for number, each in enumerate(value, start=1)]
    else:
        return [(place, value)]
    return [found for name, each in entries for found in _values(f"{place}: {name}" if place else name, each)]


def _name(number: int, entry: object) -> str:
    named = [str(entry[field]) for field in _NAMES if entry.get(field)] if isinstance(entry, Mapping) else []
    return ", ".join(named) or str(number)


def _text(value: object) -> str | None:
    """For people; None: there is none."""
    if value is None or value == []:
        return None
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    if isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, int):
        text = f"{value:,}"
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
