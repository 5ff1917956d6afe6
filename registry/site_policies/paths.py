r"""Path patterns of robots.txt, TDMRep and AIPREF (RFC 9309, section 2.2.3).

``*`` stands for any characters, ``$`` at the end for the end of the path.

Patterns come from strangers, so none becomes a regular expression. The text between two asterisks
is plain; searching for these parts in turn, each at its earliest place, takes time linear in the
path. Most patterns are plain prefixes, and a dictionary by length finds the matching ones: a path
costs as much with thousands of them as with a few.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

LONGEST_PATTERN = 2_048
"""Characters of one pattern."""

_PLAIN = re.compile(r"[A-Za-z0-9/._~!&'()+,;=:@?-]*").fullmatch
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")
_KEPT = "!&'()+,;=:@[]"
_DECODED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~" + _KEPT)


def normal_path(path: str) -> str:
    """A path and query in one spelling, so that equal paths are equal texts.

    RFC 9309 (section 2.2.2) compares the characters' meanings, escaped or not. Only ``/``, ``?``,
    ``%``, ``#`` and the pattern signs ``*`` and ``$`` stay apart from their escapes; of these, a
    path has the last two escaped.
    """
    if _PLAIN(path):
        return path
    return _ESCAPE.sub(_one_spelling, quote(path, safe="/%?" + _KEPT, errors="replace"))


def normal_pattern(pattern: str) -> str:
    """A pattern in the spelling of :func:`normal_path`, its ``*`` and final ``$`` left as signs."""
    text = pattern.removesuffix("$")
    return "*".join(normal_path(part) for part in text.split("*")) + pattern[len(text) :]


def _one_spelling(escape: re.Match[str]) -> str:
    character = chr(int(escape[0][1:], 16))
    return character if character in _DECODED else escape[0].upper()


def fault_of(pattern: str) -> str | None:
    """Why a pattern cannot be used, or None."""
    if len(pattern) > LONGEST_PATTERN:
        return f"got a path of {len(pattern)} characters, expected at most {LONGEST_PATTERN}"
    if not pattern.startswith(("/", "*")):
        return f"the path {pattern[:80]!r} does not start with '/'"
    return None


class PathPatterns:
    """Patterns in order of precedence; finds the first that matches a path.

    Patterns are written by :func:`normal_pattern`, paths by :func:`normal_path`.
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
