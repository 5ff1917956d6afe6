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
        0xA436: "ImageTitle",
        0xA437: "Photographer",
        0xA438: "ImageEditor",
    }
)
"""Those from A436 on are new in EXIF 3.0, in its own directory; the others are in the first one."""
_FIRST_INNER = 0xA436
_EXIF_DIRECTORY = 0x8769

_HEADER = b"Exif\0\0"
_ASCII, _UTF8 = 2, 129
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
    for tag, kind, data in _further_fields(tiff):
        if kind in (_ASCII, _UTF8):
            put(fields, TAGS[tag], _text(data, TAGS[tag], problems), problems, "EXIF")
        else:
            problems.add(f"EXIF {TAGS[tag]} has the unknown type {kind}; its bytes are {data[:24].hex(' ')}")
    return fields


def has_further_fields(tiff: bytes) -> bool:
    """Whether there are fields that Pillow's directory does not have."""
    return next(_further_fields(tiff), None) is not None


def _further_fields(tiff: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Tag, type and bytes of the fields of :data:`TAGS` that Pillow's directory does not have.

    Those of a type that Pillow does not know, and those of the EXIF directory.
    """
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 16:
        return
    is_big = struct.unpack_from(f"{order}H", tiff, 2)[0] == _BIG_TIFF
    (first,) = struct.unpack_from(f"{order}{'Q' if is_big else 'I'}", tiff, 8 if is_big else 4)
    for tag, kind, value in _entries(tiff, first, order, is_big):
        if tag == _EXIF_DIRECTORY and len(value) >= 4:
            (second,) = struct.unpack_from(f"{order}I", value)
            yield from (inner for inner in _entries(tiff, second, order, is_big) if inner[0] >= _FIRST_INNER)
        elif tag in TAGS and kind not in _PILLOWS_TYPES:
            yield tag, kind, value


def _entries(tiff: bytes, place: int, order: str, is_big: bool) -> Iterator[tuple[int, int, bytes]]:
    """Tag, type and bytes of the entries of a directory that are read; a byte a value."""
    entry_size, count_form, pointer = (20, "Q", "Q") if is_big else (12, "H", "I")
    start = place + struct.calcsize(f"{order}{count_form}")
    if start > len(tiff):
        return
    (count,) = struct.unpack_from(f"{order}{count_form}", tiff, place)
    for entry in range(start, min(start + count * entry_size, len(tiff) - entry_size + 1), entry_size):
        tag, kind, length, value = struct.unpack_from(f"{order}HH{'Q8s' if is_big else 'I4s'}", tiff, entry)
        if tag == _EXIF_DIRECTORY:
            yield tag, kind, value
        elif tag in TAGS:
            if length > len(value):
                (at,) = struct.unpack(f"{order}{pointer}", value)
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
