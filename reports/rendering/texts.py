"""Registered texts as documents have them: whole up to a length, since a name may have a hundred
thousand characters.
"""

from __future__ import annotations

LONGEST = 1_000
"""Characters of a registered text in a document; the tables have all of it."""


def clipped(text: str, longest: int = LONGEST) -> str:
    """``text``, or its beginning and an ellipsis."""
    return text if len(text) <= longest else text[:longest] + "…"
