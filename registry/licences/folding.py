r"""Text as the readers compare it: without case, accents, invisible characters or odd spaces.

    fold("  Droits\u00a0RÉSERVÉS ").key    # "droits reserves"

Every character of the key knows its place in the text, so that a reader can quote what it did not
understand.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_ALIKE = {
    **dict.fromkeys("‘’‚‛′ʼ`´", "'"),
    **dict.fromkeys("“”„‟«»″「」『』", '"'),
    **dict.fromkeys("‐‑‒–—―−﹣-", "-"),
    **dict.fromkeys("。．", ". "),
    **dict.fromkeys("、，", ", "),
    **dict.fromkeys("【〔〈《", "["),
    **dict.fromkeys("】〕〉》", "]"),
    "・": " ",
    "≠": "!=",
    **dict.fromkeys("•·∙‧¦|", ";"),
    **{"ł": "l", "ø": "o", "ı": "i", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "þ": "th"},
}
"""Characters that stand for the same, and that Unicode's own folding keeps apart."""


@dataclass(frozen=True)
class Folded:
    """A text and its key."""

    text: str
    """In Unicode's form NFKC, with single spaces."""
    key: str
    places: Sequence[int]
    """For each character of the key, the place of its character in the text."""

    def quote(self, start: int, end: int) -> str:
        """The text of ``key[start:end]``, as it was written."""
        return self.text[self.places[start] : self.places[end - 1] + 1].strip()


def fold(text: str) -> Folded:
    """The text in the form that the readers compare."""
    plain = " ".join(_visible(unicodedata.normalize("NFKC", _visible(text))).split())
    key: list[str] = []
    places: list[int] = []
    for place, character in enumerate(plain):
        folded = _folded(character)
        key.append(folded)
        places += [place] * len(folded)
    return Folded(plain, "".join(key), places)


def _visible(text: str) -> str:
    """The text without characters that show nothing, such as zero-width spaces and soft hyphens.

    A control character becomes U+FFFD, the sign of a lost character: nobody knows what it was.
    """
    if text.isprintable():
        return text
    kinds = ((each, "Zs" if each.isspace() else unicodedata.category(each)) for each in text)
    return "".join("\ufffd" if kind in ("Cs", "Cc") else each for each, kind in kinds if kind != "Cf")


@lru_cache(maxsize=8_192)
def _folded(character: str) -> str:
    if character in _ALIKE:
        return _ALIKE[character]
    parts = unicodedata.normalize("NFKD", character.casefold())
    letters = unicodedata.normalize("NFC", "".join(each for each in parts if not "\u0300" <= each <= "\u036f"))
    return "".join(_ALIKE.get(each, each) for each in letters)
