"""EXIF: creator, copyright and description, from the first image directory.

Pillow reads the directory without decoding a pixel. It passes over fields of types that it does not
know, such as the UTF-8 of EXIF 3.0, so these are looked up here.

Sources: CIPA DC-008-2023 (EXIF 3.0) 4.6.2; TIFF 6.0 section 2.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from PIL import Image

from registry.metadata.byte_text import read_text
from registry.metadata.values import LONGEST_VALUE, Problems, put

TAGS: Mapping[int, str] = MappingProxyType(
    {
        0x010E: "ImageDescription",
        0x013B: "Artist",
        0x8298: "Copyright",
        0x9C9B: "XPTitle",
        0x9C9C: "XPComment",
        0x9C9D: "XPAuthor",
        0x9C9E: "XPKeywords",
        0x9C9F: "XPSubject",
    }
)

_HEADER = b"Exif\0\0"
_UTF8 = 129
_BIG_TIFF = 43
_PILLOWS_TYPES = frozenset(range(1, 14)) | {16}


def read_exif(block: bytes, problems: Problems) -> dict[str, str]:
    """Fields of an EXIF block, with or without the ``Exif`` header before it."""
    tags = Image.Exif()
    # Pillow warns of some damage and raises all kinds of errors for other: both become problems.
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            tags.load(block)
            fields = read_tags(tags, block.removeprefix(_HEADER).removeprefix(_HEADER), problems)
        for warning in warned:
            problems.add(f"EXIF is damaged: {warning.message}")
        return fields
    except Exception as error:
        problems.add_error("EXIF cannot be read", error)
        return {}


def read_tags(tags: Any, tiff: bytes, problems: Problems) -> dict[str, str]:  # noqa: ANN401 - Exif and TIFF directories share no type
    """Fields of a directory that Pillow has read from the bytes ``tiff``, such as a TIFF's own."""
    fields: dict[str, str] = {}
    for tag, name in TAGS.items():
        try:
            value = tags.get(tag)
            if value is not None:
                text = _utf16(value) if name.startswith("XP") else _text(value, name, problems)
                put(fields, name, text, problems, "EXIF")
        except Exception as error:
            problems.add_error(f"EXIF {name} cannot be read", error)
    for tag, kind, data in _further_types(tiff):
        if kind == _UTF8:
            put(fields, TAGS[tag], _text(data, TAGS[tag], problems), problems, "EXIF")
        else:
            problems.add(f"EXIF {TAGS[tag]} has the unknown type {kind}; its bytes are {data[:24].hex(' ')}")
    return fields


def has_further_types(tiff: bytes) -> bool:
    """Whether a field that is read has a type that Pillow does not know."""
    return next(_further_types(tiff), None) is not None


def _further_types(tiff: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Tag, type and bytes of each field of :data:`TAGS` whose type Pillow does not know."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 16:
        return
    big = struct.unpack_from(f"{order}H", tiff, 2)[0] == _BIG_TIFF
    start, entry_size, count_form = (8, 20, "Q") if big else (4, 12, "H")
    (place,) = struct.unpack_from(f"{order}{'Q' if big else 'I'}", tiff, start)
    head = struct.calcsize(f"{order}{count_form}")
    if place + head > len(tiff):
        return
    (count,) = struct.unpack_from(f"{order}{count_form}", tiff, place)
    for entry in range(place + head, min(place + head + count * entry_size, len(tiff) - entry_size + 1), entry_size):
        tag, kind, length, value = struct.unpack_from(f"{order}HH{'Q8s' if big else 'I4s'}", tiff, entry)
        if tag in TAGS and kind not in _PILLOWS_TYPES:
            if length > len(value):
                (at,) = struct.unpack(f"{order}{'Q' if big else 'I'}", value)
                value = tiff[at : at + min(length, 4 * LONGEST_VALUE)]
            yield tag, kind, value[:length]


def _text(value: object, name: str, problems: Problems) -> str:
    if isinstance(value, tuple):
        value = next(iter(value), "")
    if not isinstance(value, str | bytes):
        raise TypeError(f"expected text, got {type(value).__name__}")
    data = value.encode("latin-1", "replace") if isinstance(value, str) else value
    # Copyright has the photographer's and the editor's notice in one field with a NUL between them.
    readings = [read_text(part) for part in data[: 4 * LONGEST_VALUE + 1].split(b"\0", 8)]
    for reading in readings:
        problems.add_doubt("EXIF", name, reading.doubt)
    return "; ".join(reading.text for reading in readings if reading.text)


def _utf16(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        value = bytes(value[: 4 * LONGEST_VALUE])
    if not isinstance(value, bytes):
        raise TypeError(f"expected UTF-16 text, got {type(value).__name__}")
    # The text ends at its first NUL; a reused buffer has old text after it.
    return value.decode("utf-16-le", "replace").split("\0", 1)[0]
