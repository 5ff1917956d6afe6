"""Differences between the facts of a filing's version and those of the version before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from reports.filings.form import ChangePart, ChangesPart

MOST_CHANGES = 100
LONGEST_VALUE = 200
ANSWERS = "answers"
"""The part of a filing's facts written by its provider."""
_NAMES = ("name", "reference", "domain", "protocol", "use")
"""Fields that identify an entry of a list, so that a moved entry has not changed."""
_Place: TypeAlias = tuple[str, ...]


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> ChangesPart:
    """The values of plain JSON objects that differ, by place; none of :data:`ANSWERS`.

    Changes beyond :data:`MOST_CHANGES` are only counted.
    """
    old, new = dict(_values((), before)), dict(_values((), now))
    places = [place for place in {**old, **new} if old.get(place) != new.get(place)]
    return ChangesPart(
        listed=[_change(place, old.get(place), new.get(place)) for place in places[:MOST_CHANGES]],
        left_out=max(0, len(places) - MOST_CHANGES),
    )


def _change(place: _Place, before: object, now: object) -> ChangePart:
    old, new = _text(before), _text(now)
    if place[0] == ANSWERS:
        # An answer is shown at its question, or not at all.
        old, new = (None if text is None else "answered" for text in (old, new))
        new = "answered otherwise" if old and new else new
    differ = next((at for at, (one, other) in enumerate(zip(old or "", new or "", strict=False)) if one != other), 0)
    return ChangePart(what=": ".join(place).replace("_", " "), before=_cut(old, differ), now=_cut(new, differ))


def _values(place: _Place, value: Any) -> Iterator[tuple[_Place, Any]]:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        entries = [(str(name), each) for name, each in value.items()]
    elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        entries = _named(value)
    elif value is None or value == []:
        return
    else:
        yield place, value
        return
    for name, each in entries:
        yield from _values((*place, name), each)


def _named(entries: list[Any]) -> list[tuple[str, Any]]:
    """The entries of a list by name; entries of the same name by name and position."""
    met: Counter[str] = Counter()
    found = []
    for number, entry in enumerate(entries, start=1):
        parts = [str(entry[field]) for field in _NAMES if entry.get(field)] if isinstance(entry, Mapping) else []
        name = ", ".join(parts) or str(number)
        met[name] += 1
        found.append((name if met[name] == 1 else f"{name} ({met[name]})", entry))
    return found


def _text(value: object) -> str | None:
    """For people; None if there is no value."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _cut(text: str | None, differ: int) -> str | None:
    """The part of a long text around the first difference."""
    if text is None or len(text) <= LONGEST_VALUE:
        return text
    start = max(0, min(differ - LONGEST_VALUE // 4, len(text) - LONGEST_VALUE))
    end = start + LONGEST_VALUE
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")
