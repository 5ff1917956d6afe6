"""Numbers, names and permissions in the words of pages; templates escape foreign text."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

from registry.text import BIDI_CONTROLS

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def plain(text: str, limit: int = 160) -> str:
    """``text`` as one short line: no control characters, no turned writing direction."""
    kept = text[: limit + 1]
    # Of a printable text every character is kept; a page has hundreds of them.
    shown = kept if kept.isprintable() else "".join(map(_shown, kept))
    shown = shown[:limit].rstrip() + "…" if len(text) > limit else shown.strip()
    return shown or "(no name)"


def _shown(character: str) -> str:
    if character in "\t\n\r":
        return " "
    hidden = character in BIDI_CONTROLS or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
    return REPLACEMENT if hidden else character


LONGEST = 1_000
"""Characters of a registered text in a document; tables have all of it."""


def clipped(text: str, longest: int = LONGEST) -> str:
    """``text``, or its beginning and an ellipsis: a name may have a hundred thousand characters."""
    return text if len(text) <= longest else text[:longest] + "…"


def quoted(text: str) -> str:
    """A foreign name within a sentence."""
    return f"“{plain(text)}”"


def number(value: float, digits: int = 3) -> str:
    """``value`` with that many significant digits, without an exponent where legible."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude < -5 or magnitude > 8:
        return f"{value:.{digits - 1}e}"
    text = f"{value:,.{max(0, digits - 1 - magnitude)}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


def percent(share: float) -> str:
    """A share as a percentage of two significant digits."""
    if share >= 1:
        return "100 %"
    return "over 99 %" if share > 0.99 else f"{number(share * 100, 2)} %"


def count(amount: int, one: str, many: str | None = None) -> str:
    """``3 works``, ``1 work``."""
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"


def other_members(amount: int) -> str:
    """The members outside a support, at the start of a sentence."""
    return "The one other member" if amount == 1 else f"The other {count(amount, 'member')}"


_PERMISSIONS = {
    "permitted": "models may train on it",
    "constrained": "models may train on it under conditions",
    "unclear": "it is unclear whether models may train on it",
    "prohibited": "models may not train on it",
    "withdrawn": "withdrawn: members that saw it are out of service",
}


def permission(name: str) -> str:
    """A permission in words."""
    return _PERMISSIONS.get(name, plain(name, 40))


def members_listed(indices: Sequence[int]) -> str:
    """``member 3``, ``members 0, 2 and 5``."""
    names = [str(index) for index in indices]
    if len(names) < 2:
        return f"member {names[0]}" if names else "no member"
    return f"members {', '.join(names[:-1])} and {names[-1]}"


def synthetic(signs: str) -> str:
    """The sentence about a work whose file names an AI model; ``signs``: what the file says."""
    return f"Its file says that an AI model made it, wholly or partly: {plain(signs, 400)}."
