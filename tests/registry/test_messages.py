"""Reasons in findings: what a decoder raised, in words for people who do not have the program."""

from __future__ import annotations

import struct
import zlib

import pytest
from defusedxml.common import DTDForbidden, EntitiesForbidden

from registry.messages import LONGEST, MALFORMED, plain_reason
from registry.metadata.values import Problems


def _raised(data: bytes) -> zlib.error:
    with pytest.raises(zlib.error) as caught:
        zlib.decompress(data)
    return caught.value


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            DTDForbidden("x", None, None),
            "it has a document type definition, which is not read because it can be a bomb",
        ),
        (EntitiesForbidden("x", "y", None, None, None, None), "it declares entities, which are not read because"),
        (OSError("cannot identify image file <_io.BytesIO object at 0x7f3a>"), "cannot identify image file"),
        (struct.error("unpack requires a buffer of 4 bytes"), "it ends too early"),
        (KeyError("x"), "a part of it that its format needs is missing"),
        (RecursionError("maximum recursion depth exceeded"), "it is nested too deep"),
        (ValueError(), MALFORMED),
        (RuntimeError("C2paError.Verify: bad signature"), "Verify: bad signature"),
        (_raised(b"nothing"), "incorrect header check"),
        (OSError(2, "No such file or directory"), "No such file or directory"),
        (ValueError("a\n  line \ud800"), "a line ?"),
        (ValueError("x" * 1_000), "x" * LONGEST),
    ],
)
def test_a_reason_names_no_class_and_no_object(error: Exception, words: str) -> None:
    """One line, bounded, without what only a programmer can read."""
    assert plain_reason(error).startswith(words)
    problems = Problems()
    problems.add_error("XMP cannot be read", error)
    assert problems.lines[0].startswith(f"XMP cannot be read: {words}")
    assert not any(word in problems.lines[0] for word in ("Error", "Forbidden", "object at", "<"))
