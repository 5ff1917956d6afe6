"""Texts of people: reasons, notes, statements. Checked once, kept as they are."""

from __future__ import annotations

import re
import unicodedata

from registry.errors import InputError

BLANKS = "".join(chr(code) for code in (*range(0x09, 0x0E), *range(0x1C, 0x21), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200C),
                                        0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0xFEFF))  # fmt: skip
"""Invisible characters at the ends of a text: Unicode blanks, zero-width space, byte-order mark."""

BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Unicode's characters that change the direction of writing (property ``Bidi_Control``)."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

LONGEST_TEXT = 10_000
"""Characters: a page or two. Keep longer documents outside the registry."""


def stated_text(value: str | None, what: str, *, lines: bool = False, longest: int = LONGEST_TEXT) -> str | None:
    """A text that was entered, in one spelling; None if it is empty.

    Raises:
        InputError: more than ``longest`` characters, not UTF-8, or with control characters (line
            breaks and tabs are allowed with ``lines``).
    """
    text = tidy(value)
    if text is None:
        return None
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"the {what} is not UTF-8") from error
    if len(text) > longest:
        raise InputError(f"the {what} has {len(text):,} characters, at most {longest:,} are taken")
    if has_control_characters(text, "\n\r\t" if lines else ""):
        raise InputError(f"the {what} has control characters; expected {'text' if lines else 'one line of text'}")
    return text


def stated_reason(value: str, what: str = "reason") -> str:
    """A text that must not be empty. Raises InputError if it is, and as :func:`stated_text`."""
    text = stated_text(value, what, lines=True)
    if text is None:
        raise InputError(f"the {what} is empty; state it for those who read the log later")
    return text


def tidy(text: str | None) -> str | None:
    """One spelling for equal-looking text: composed Unicode, no blanks around; None if empty."""
    return (unicodedata.normalize("NFC", text).strip(BLANKS) or None) if text else None


def has_control_characters(text: str, allowed: str = "") -> bool:
    """Whether the text has a line break, a NUL or another control character."""
    return any(character not in allowed for character in _CONTROL.findall(text))
