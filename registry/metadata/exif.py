"""EXIF: creator, copyright and description, from the first image directory.

Pillow reads the directory without decoding a pixel. It decodes ASCII fields as Latin-1; most
programs write UTF-8 there, so bytes that are valid UTF-8 are decoded as UTF-8.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from PIL import Image

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


def read_exif(block: bytes, problems: Problems) -> dict[str, str]:
    """Fields of an EXIF block, with or without the ``Exif`` header before it."""
    tags = Image.Exif()
    # Pillow warns of some damage and raises all kinds of errors for other: both become problems.
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            tags.load(block)
            fields = read_tags(tags, problems)
        for warning in warned:
            problems.add(f"EXIF is damaged: {warning.message}")
        return fields
    except Exception as error:
        problems.add_error("EXIF cannot be read", error)
        return {}


def read_tags(tags: Any, problems: Problems) -> dict[str, str]:  # noqa: ANN401 - Exif and TIFF directories share no type
    """Fields of a directory that Pillow has read, such as a TIFF's own."""
    fields: dict[str, str] = {}
    for tag, name in TAGS.items():
        try:
            value = tags.get(tag)
            if value is not None:
                put(fields, name, _utf16(value) if name.startswith("XP") else _text(value), problems, "EXIF")
        except Exception as error:
            problems.add_error(f"EXIF {name} cannot be read", error)
    return fields


def _text(value: object) -> str:
    if isinstance(value, tuple):
        value = next(iter(value), "")
    if not isinstance(value, str | bytes):
        raise TypeError(f"expected text, got {type(value).__name__}")
    data = value.encode("latin-1", "replace") if isinstance(value, str) else value
    # Copyright has the photographer's and the editor's notice in one field with a NUL between them.
    return "; ".join(part for part in (_decoded(part).strip() for part in data.split(b"\0", 8)) if part)


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _utf16(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        value = bytes(value[: 4 * LONGEST_VALUE])
    if not isinstance(value, bytes):
        raise TypeError(f"expected UTF-16 text, got {type(value).__name__}")
    # The text ends at its first NUL; a reused buffer has old text after it.
    return value.decode("utf-16-le", "replace").split("\0", 1)[0]
