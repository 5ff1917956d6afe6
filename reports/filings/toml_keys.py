"""Finds keys that are too expensive for Python's TOML parser, before the parser runs.

The parser's time and memory grow with the square of a dotted key's length: a key of 64 KiB takes
most of a minute and 4 GiB, so a bound on the file's size is not enough. The text is cut into TOML's
tokens, since dots in strings and comments belong to no key; no character is read twice. Up to a
file's first fault the tokens are the parser's; the parser stops there.
"""

from __future__ import annotations

import re

MOST_DOTS = 11
"""Dots of a key of twelve parts."""

_TOKEN = re.compile(
    r'''
    (?P<text> """ (?:[^"\\]|\\[\s\S]|"(?!""))*+ (?:"{3,5}+)? | \'\'\' (?:[^']|'(?!''))*+ (?:'{3,5}+)? | \#[^\n]*+ )
    | (?P<part> [A-Za-z0-9_-]++ | " (?:[^"\\\n]|\\.)*+ "?+ | ' [^'\n]*+ '?+ )
    | (?P<dot> \. )
    | (?P<space> [ \t]++ )
    | (?P<other> [^A-Za-z0-9_"'\#.\ \t-]++ )
    ''',
    re.VERBOSE,
)


def has_long_key(text: str) -> bool:
    """Whether a key of a TOML text has more than twelve parts."""
    dots = 0
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "dot":
            dots += 1
            if dots > MOST_DOTS:
                return True
        elif token.lastgroup in ("text", "other"):
            dots = 0
    return False


def basic_string(text: str) -> str:
    """A TOML basic string, safe for foreign names: no line breaks, no turned writing direction."""
    kept = (
        f"\\{character}" if character in '"\\' else character if character.isprintable() else f"\\U{ord(character):08X}"
        for character in text
    )
    return '"' + "".join(kept) + '"'
