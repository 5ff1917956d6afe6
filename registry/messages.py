"""Plain reasons why something from outside could not be read.

Decoders raise errors for programmers: class names, memory addresses, or nothing at all. People who
read a finding have the file and not the program.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from types import MappingProxyType

LONGEST = 200

MALFORMED = "it is not laid out as its format says"
_TOO_SHORT = "it ends too early"

_BY_NAME: Mapping[str, str] = MappingProxyType(
    {
        # defusedxml's, whose texts are their own constructors
        "DTDForbidden": "it has a document type definition, which is not read because it can be a bomb",
        "EntitiesForbidden": "it declares entities, which are not read because they can be a bomb",
        "ExternalReferenceForbidden": "it refers to something outside itself, which is not followed",
    }
)
_BY_KIND: tuple[tuple[type[BaseException], str], ...] = (
    (RecursionError, "it is nested too deep"),
    (MemoryError, "it needs more memory than there is"),
    (EOFError, _TOO_SHORT),
    (struct.error, _TOO_SHORT),
    (IndexError, _TOO_SHORT),
    (KeyError, "a part of it that its format needs is missing"),
    (TypeError, MALFORMED),
    (AttributeError, MALFORMED),
    (ArithmeticError, MALFORMED),
    (AssertionError, MALFORMED),
)
_OBJECT = re.compile(r"\s*<[\w.]+(?: object)?(?: [^<>]*)?>")
"""An object as Python writes it, such as ``<_io.BytesIO object at 0x7f>``."""
_CLASS = re.compile(
    r"^(?:Error -?\d+ while \w+ data:\s*|(?:\w+\.)*\w+(?:Error|Exception|Warning|Forbidden)\b\s*[.:]?\s*)+"
)
"""Classes in front of the text, and zlib's own numbers."""


def plain_reason(error: BaseException) -> str:
    """An error's message in one line, without names of classes or objects.

    >>> plain_reason(ValueError("cannot identify <_io.BytesIO object at 0x7f>"))
    'cannot identify'
    >>> plain_reason(struct.error("unpack requires a buffer of 4 bytes"))
    'it ends too early'
    """
    if (known := _BY_NAME.get(type(error).__name__)) is not None:
        return known
    if isinstance(error, UnicodeDecodeError):
        return f"it is not the {error.encoding} that it should be, at byte {error.start:,}"
    for kind, reason in _BY_KIND:
        if isinstance(error, kind):
            return reason
    text = str(getattr(error, "strerror", None) or error).encode(errors="replace").decode()
    text = _CLASS.sub("", _OBJECT.sub("", text))
    return " ".join(text.split())[:LONGEST].rstrip(" :") or MALFORMED
