"""Keys that would keep Python's TOML parser busy: found before it runs, in one pass over the text.

The parser needs time and memory that grow with the square of a dotted key's length, so a small file
can hold it for minutes. The text is cut into tokens as TOML has them: dots in strings and comments
are no key. Each token takes whatever there is of it, an unclosed string the rest of its line or of
the text, so that no character is looked at twice. Up to the first fault in a file the tokens are
the parser's; behind it the parser does not come.
"""

from __future__ import annotations

import re

MOST_DOTS = 11
"""In a key: it has twelve parts then."""

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
    """A basic string of TOML, in which nothing of a foreign name is a line of its own or turns the
    writing direction.
    """
    kept = (
        f"\\{character}" if character in '"\\' else character if character.isprintable() else f"\\U{ord(character):08X}"
        for character in text
    )
    return '"' + "".join(kept) + '"'
