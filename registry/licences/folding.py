r"""Text as the readers compare it: without case, accents, entities and invisible characters.

    fold("  Droits\u00a0RÉSERVÉS ").key    # "droits reserves"

Every character of the key knows its place in the text, so that a reader can quote what it did not
understand. The sign of an item of a list ("* ", "2. ", "(a) ") becomes the end of a sentence, or a
comma where the list has a heading ("Not allowed: ").
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

_BULLETS = "•·∙‧‣◦▪●■►▸❖➢➤"
_ALIKE = {
    **dict.fromkeys("‘’‚‛′ʼ`´", "'"),
    **dict.fromkeys("“”„‟«»″「」『』", '"'),
    **dict.fromkeys("‐‑‒–—―−﹣-", "-"),
    **dict.fromkeys("。．", ". "),
    **dict.fromkeys("、，،", ", "),
    "؛": ";",
    "؟": "?",
    "ـ": "",
    **dict.fromkeys("【〔〈《", "["),
    **dict.fromkeys("】〕〉》", "]"),
    "・": " ",
    "≠": "!=",
    **dict.fromkeys(_BULLETS + "¦|", ";"),
    **dict.fromkeys("∗⁎✱", "*"),
    **{"ł": "l", "ø": "o", "ı": "i", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "þ": "th"},
}
"""Characters that stand for the same, and that Unicode's own folding keeps apart."""

_ITEM = re.compile(
    r"(?:(?:[*•]|\(?[0-9]{1,2}(?:\.\)?|\))|\((?:[abd-h]|[ivx]{1,4})\)|(?:[a-h]|[ivx]{1,4})\)) )+(?=[\w(])",
    re.IGNORECASE,
)
"""The sign of an item of a list. "(c)" is a sign of copyright, and "A." an initial."""
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,31}[0-9]{0,2});")
_ENTITIES_IN_ENTITIES = 3
_ROUND = "o "
"""The bullet of a word processor, where it begins several lines; else the Spanish "or"."""
_ENDED = re.compile(r"[•;!]\s*|\.\s+")
"""The end of a sentence, behind which an item may begin as at the start of a line."""


@dataclass(frozen=True)
class Folded:
    """A text and its key."""

    text: str
    """In Unicode's form NFKC, with single spaces and without HTML entities."""
    key: str
    places: Sequence[int]
    """For each character of the key, the place of its character in the text."""
    breaks: Sequence[int] = ()
    """The places in the key of the spaces that stand for the ends of lines."""

    def quote(self, start: int, end: int) -> str:
        """The text of ``key[start:end]``, as it was written."""
        return self.text[self.places[start] : self.places[end - 1] + 1].strip()


def fold(text: str) -> Folded:
    """The text in the form that the readers compare."""
    visible = _visible(unicodedata.normalize("NFKC", _visible(_without_entities(text))))
    lines = [line for line in (" ".join(line.split()) for line in visible.splitlines()) if line]
    plain = " ".join(lines)
    key = [_folded(character) for character in plain]
    for start, end, sign in _items(
        lines, "".join("•" if was in _BULLETS else each[:1] or " " for was, each in zip(plain, key, strict=True))
    ):
        key[start:end] = [sign, *" " * (end - start - 1)]
    places = [place for place, folded in enumerate(key) for _ in folded]
    ends = {start - 1 for start in _starts(lines)}
    return Folded(plain, "".join(key), places, [at for at, place in enumerate(places) if place in ends])


def _without_entities(text: str) -> str:
    """The text with the characters that HTML entities stand for, also where they are written twice.

    Only entities that end with a semicolon count: "&notice" is no entity.
    """
    for _ in range(_ENTITIES_IN_ENTITIES):
        if "&" not in text:
            break
        text = _ENTITY.sub(_character, text)
    return text


def _character(entity: re.Match[str]) -> str:
    """The character of an entity, also of one in capitals, such as "&NBSP;"."""
    found = html.unescape(entity[0])
    return html.unescape(entity[0].lower()) if found == entity[0] else found


def _starts(lines: Sequence[str]) -> list[int]:
    return list(accumulate((len(line) + 1 for line in lines[:-1]), initial=0))


def _items(lines: Sequence[str], plain: str) -> Iterator[tuple[int, int, str]]:
    """The places of the signs of items at starts of lines and sentences, and what replaces them."""
    starts = _starts(lines)
    rounds = [start for start in starts if plain.startswith(_ROUND, start)]
    ends = [place for ended in _ENDED.finditer(plain) for place in (ended.start(), ended.end())]
    under_a_heading, last = False, 0
    for start in sorted({*starts, *ends}):
        if start < last:
            continue  # one item has two signs, as in "* 2. "
        end = start + len(_ROUND) if len(rounds) > 1 and start in rounds else 0
        if found := _ITEM.match(plain, end or start):
            end = found.end()
        if end:
            heads = plain.endswith(": ", 0, start)
            under_a_heading = heads or (under_a_heading and not _ENDED.search(plain, last, start))
            yield start, end - 1, " " if heads else "," if under_a_heading else ";"
            last = end


def _visible(text: str) -> str:
    """The text without characters that show nothing, such as zero-width spaces and soft hyphens.

    A control character becomes U+FFFD, the sign of a lost character: nobody knows what it was.
    """
    if text.isprintable():
        return text
    kinds = ((each, "Zs" if each.isspace() else unicodedata.category(each)) for each in text)
    return "".join("\ufffd" if kind in ("Cs", "Cc") else each for each, kind in kinds if kind != "Cf")


_ACCENT = re.compile(
    "[\u0300-\u0333\u0339-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670]"
).match
"""Accents, and the vowel signs of Arabic and Hebrew. Strokes through letters strike them out."""


@lru_cache(maxsize=8_192)
def _folded(character: str) -> str:
    if character in _ALIKE:
        return _ALIKE[character]
    parts = unicodedata.normalize("NFKD", character.casefold())
    letters = unicodedata.normalize("NFC", "".join(each for each in parts if not _ACCENT(each)))
    return "".join(_ALIKE.get(each, each) for each in letters)
