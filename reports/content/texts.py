"""Texts and moments in facts: bounded, on one line, the same in every time zone."""

from __future__ import annotations

import datetime
import json
import unicodedata
from dataclasses import asdict
from typing import Any

from registry.errors import IntegrityError
from registry.export.cells import REPLACEMENT
from registry.text import BIDI_CONTROLS

LONGEST = 300
"""Most characters of a foreign text."""


def one_line(text: str) -> str:
    """Foreign text: at most :data:`LONGEST` characters, none that control or turn the writing."""
    cut = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    return "".join(
        REPLACEMENT if unicodedata.category(each) in ("Cc", "Cs") or each in BIDI_CONTROLS else each for each in cut
    )


def optional_line(text: str | None) -> str | None:
    """:func:`one_line`; None for an empty or missing text."""
    return one_line(text) if text else None


def lines(values: Any) -> dict[str, str]:  # noqa: ANN401 - JSON
    """A mapping of foreign texts, sorted by name."""
    return {one_line(str(name)): one_line(str(text)) for name, text in sorted((values or {}).items())}


def moment(value: datetime.datetime | None) -> str | None:
    """A time in ISO 8601, in UTC, to the second."""
    return value.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if value is not None else None


def plain(facts: Any) -> Any:  # noqa: ANN401 - any dataclass of facts
    """Facts as JSON values, for their hash.

    Raises:
        IntegrityError: a number on record is not finite.
    """
    try:
        return json.loads(json.dumps(asdict(facts), allow_nan=False))
    except ValueError as error:
        raise IntegrityError("a number on record is not finite; `creditline doctor` says what to do") from error
