"""The parts of a folded text: sentences, their parts, and what is joined in them.

list(pieces("mit; cc0-1.0", 0, 12, SENTENCES))    # [(0, 3), (5, 12)]
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator
from functools import cached_property

from registry.licences.folding import Folded

JOINING = frozenset(
    {
        *("and", "or", "und", "oder", "et", "ou", "y", "o", "e", "en", "of", "och", "eller", "lub", "i", "plus"),
        *("及び", "または", "和", "或", "및", "또는"),
    }
)
"""Words between two licences; all but those for a choice say that both apply."""
ENDING_SIGNS = ";!?"
"""Signs at the end of a sentence, wherever they stand. A full stop needs a space behind it."""
PARTING_SIGNS = ',()[]<>"{}=*'
"""Signs that part a sentence, wherever they stand."""
JOINING_SIGNS = "&+"
"""Signs that are as good as the words: where they join nothing, something is missing."""
PLAIN_JOINING_SIGNS = "/:"
"""Further signs between two licences."""


def any_word(words: Collection[str]) -> str:
    """An expression for any of the words; a language without spaces has no ends of words."""
    return "|".join(rf"\b{word}\b" if word.isascii() else word for word in sorted(words))


SENTENCES = re.compile(rf"[{ENDING_SIGNS}\x1f]+|\.(?=\s|$)")
PARTS = re.compile(rf"[{re.escape(PARTING_SIGNS)}]+|\s-+\s|\x1f+")
JOINTS = re.compile(rf"[{JOINING_SIGNS}{PLAIN_JOINING_SIGNS}]+|\s-|-\s|{any_word(JOINING)}")
_CAPTION_PARTS = re.compile(rf"{SENTENCES.pattern}|{PARTS.pattern}|[{JOINING_SIGNS}{PLAIN_JOINING_SIGNS}]")
_POLITE = re.compile(r"\b(?:please|bitte)\b")


def pieces(text: str, start: int, end: int, separator: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """The pieces of ``text[start:end]`` between separators, without spaces around them."""
    place = start
    for match in [*separator.finditer(text, start, end), None]:
        stop = match.start() if match else end
        piece = text[place:stop]
        if piece.strip():
            yield place + len(piece) - len(piece.lstrip()), place + len(piece.rstrip())
        place = match.end() if match else end


class CaptionParts:
    """The parts of a caption: sentences, items of a list, and lines."""

    def __init__(self, folded: Folded) -> None:
        self._folded = folded

    def beside(self, start: int, end: int) -> tuple[int, int] | None:
        """The part where other words stand beside ``key[start:end]``; None if these stand alone.

        Where these words go over the end of a line, the lines are wrapped, and are no parts.
        """
        key, breaks = self._folded.key, self._folded.breaks
        parts = self._wrapped if bisect_left(breaks, end) > bisect_left(breaks, start) else self._lines
        first = parts[bisect_right(parts, start, key=lambda part: part[0]) - 1][0]
        last = max(end, parts[bisect_left(parts, end, key=lambda part: part[0]) - 1][1])
        others = _POLITE.sub("", f"{key[first:start]} {key[end:last]}")
        return (first, last) if any(map(str.isalnum, others)) else None

    @cached_property
    def _wrapped(self) -> list[tuple[int, int]]:
        return list(pieces(self._folded.key, 0, len(self._folded.key), _CAPTION_PARTS))

    @cached_property
    def _lines(self) -> list[tuple[int, int]]:
        key = list(self._folded.key)
        for place in self._folded.breaks:
            key[place] = "\x1f"
        return list(pieces("".join(key), 0, len(key), _CAPTION_PARTS))
