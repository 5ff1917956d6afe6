r"""Path patterns of robots.txt, TDMRep and AIPREF: ``*`` for anything, ``$`` at the end for the end
(RFC 9309, section 2.2.3).

Patterns come from strangers, so none becomes a regular expression: between its asterisks a pattern
is plain text, and finding its parts one after the other, each as early as it goes, is enough and
takes time linear in the path.

Most rules are plain prefixes. They are looked up by length in a dictionary, so that a file of
thousands of them costs a path as much as one with few.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

LONGEST_PATTERN = 2_048
"""Characters of one pattern."""

_PLAIN = re.compile(r"[A-Za-z0-9/._~!$&'()*+,;=:@?-]*").fullmatch
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_KEPT = "/%!$&'()*+,;=:@?[]"


def normal_path(path: str) -> str:
    """A path or pattern with each character written one way (RFC 3986, section 6.2.2).

    Escapes of letters, digits and ``-._~`` are undone, others are upper case, and what must be
    escaped is.
    """
    if _PLAIN(path):
        return path
    escaped = quote(path, safe=_KEPT, errors="replace")
    return _ESCAPE.sub(_one_spelling, escaped)


def _one_spelling(escape: re.Match[str]) -> str:
    character = chr(int(escape[0][1:], 16))
    return character if character in _UNRESERVED else escape[0].upper()


def fault_of(pattern: str) -> str | None:
    """Why a pattern cannot be used, or None."""
    if len(pattern) > LONGEST_PATTERN:
        return f"a path of {len(pattern)} characters, at most {LONGEST_PATTERN} are read"
    if not pattern.startswith(("/", "*")):
        return f"the path {pattern[:80]!r} does not start with '/'"
    return None


class PathPatterns:
    """An ordered list of patterns, the ones that win first; finds the first that matches a path.

    Patterns must have been written by :func:`normal_path`, and so must the paths.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._prefixes: dict[str, int] = {}
        self._wild: list[tuple[int, tuple[str, ...], bool]] = []
        for position, pattern in enumerate(patterns):
            if "*" not in pattern and not pattern.endswith("$"):
                self._prefixes.setdefault(pattern, position)
            else:
                anchored = pattern.endswith("$")
                parts = re.sub(r"\*+", "*", pattern.removesuffix("$")).split("*")
                self._wild.append((position, tuple(parts), anchored))
        self._lengths = sorted({len(prefix) for prefix in self._prefixes})

    def first(self, path: str) -> int | None:
        """The place in the list of the first pattern that matches, or None."""
        best: int | None = None
        for length in self._lengths:
            if length > len(path):
                break
            position = self._prefixes.get(path[:length])
            if position is not None and (best is None or position < best):
                best = position
        for position, parts, anchored in self._wild:
            if best is not None and position > best:
                break
            if _matches(path, parts, anchored):
                return position
        return best


def _matches(path: str, parts: tuple[str, ...], anchored: bool) -> bool:
    head, *rest = parts
    if not path.startswith(head):
        return False
    if not rest:
        return not anchored or len(path) == len(head)
    at = len(head)
    last = rest.pop() if anchored else ""
    for part in rest:
        found = path.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return not anchored or (len(path) - len(last) >= at and path.endswith(last))
