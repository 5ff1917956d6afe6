"""A caption brought into order: one line of composed Unicode, of bounded length.

A caption is a sentence for a text encoder and for a page. Control characters and marks that change
the direction of writing are left out, line breaks and runs of blanks become one blank, and a text
beyond :data:`LONGEST_CAPTION` is cut. Every loss is told, so that a person can look.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from registry.metadata.byte_text import read_text
from registry.metadata.values import AROUND, clean, losses_of
from registry.text import tidy

LONGEST_CAPTION = 4_096
"""Characters. The text encoders of Stable Diffusion read 77 tokens, so this loses nothing there."""
LONGEST_READ = 2 * LONGEST_CAPTION
"""Characters that are looked at; the rest leaves room for what cleaning takes out."""
LARGEST_FILE = 2**20
"""Bytes of a file with a caption."""

_BLANKS = re.compile("[ \n]+")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ReadCaption:
    """A caption in order, or None for an empty one, and what was lost or doubtful on the way."""

    text: str | None
    note: str | None = None


def in_order(text: str) -> ReadCaption:
    r"""The caption that a text has.

    >>> in_order("a cat\r\n  on a mat").text
    'a cat on a mat'
    """
    start = text[:LONGEST_READ]
    ordered = tidy(_BLANKS.sub(" ", clean(start)))
    notes = [f"the caption {loss}" for loss in losses_of(start.strip(AROUND))]
    if len(text) > LONGEST_READ or (ordered and len(ordered) > LONGEST_CAPTION):
        ordered = tidy((ordered or "")[:LONGEST_CAPTION])
        count = f"{len(text):,}" if len(text) <= LONGEST_READ else f"more than {LONGEST_READ:,}"
        notes.append(f"the caption has {count} characters; the first {LONGEST_CAPTION:,} are kept")
    return ReadCaption(ordered, "; ".join(notes) or None)


def too_large(size: int) -> ReadCaption:
    """No caption: a file of more than :data:`LARGEST_FILE` bytes is not read."""
    return ReadCaption(None, f"the text has {size:,} bytes, at most {LARGEST_FILE:,} are read: it is no caption")


def from_bytes(data: bytes) -> ReadCaption:
    """The caption that a text file has: UTF-8, or what the bytes most likely are.

    A file that is no UTF-8 gives a caption with a note, and no byte is dropped: see
    :mod:`registry.metadata.byte_text`.
    """
    if len(data) > LARGEST_FILE:
        return too_large(len(data))
    doubt = None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", "replace")
    else:
        reading = read_text(data.removeprefix(_BYTE_ORDER_MARK))
        text, doubt = reading.text, reading.doubt
    found = in_order(text)
    notes = [*([f"the text {doubt}"] if doubt else []), *([found.note] if found.note else [])]
    return ReadCaption(found.text, "; ".join(notes) or None)
