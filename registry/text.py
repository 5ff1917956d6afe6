"""Texts that people state: reasons, notes, statements. Checked once, kept as they are."""

from __future__ import annotations

from registry.errors import InputError
from registry.ingest.owners.declarations import has_control_characters, tidy

LONGEST_TEXT = 10_000
"""Characters: a page or two. What is longer is a document, and belongs beside the registry."""


def stated_text(value: str | None, what: str, *, lines: bool = False) -> str | None:
    """A text that somebody stated, in one spelling; None where it says nothing.

    Raises:
        InputError: too long, not UTF-8, or with control characters (line breaks and tabs count,
            unless ``lines``).
    """
    text = tidy(value)
    if text is None:
        return None
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"the {what} is not UTF-8") from error
    if len(text) > LONGEST_TEXT:
        raise InputError(f"the {what} has {len(text):,} characters, at most {LONGEST_TEXT:,} are taken")
    if has_control_characters(text, "\n\r\t" if lines else ""):
        raise InputError(f"the {what} has control characters; expected {'text' if lines else 'one line of text'}")
    return text


def stated_reason(value: str, what: str = "reason") -> str:
    """A text that must say something. Raises InputError otherwise, and as :func:`stated_text`
    does.
    """
    text = stated_text(value, what, lines=True)
    if text is None:
        raise InputError(f"the {what} is empty; say why, as people will ask years later")
    return text
