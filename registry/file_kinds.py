"""What a file is, by its first bytes: for messages about a file that is not the expected kind.

    described(b"<!doctype html>")    # "an HTML page"

Nothing is decided by this: readers of a format look at the whole file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType

LOOKED_AT = 4_096
"""Bytes that suffice."""

_MARKS: Mapping[bytes, str] = MappingProxyType(
    {
        b"\x89PNG": "a PNG image",
        b"\xff\xd8\xff": "a JPEG image",
        b"GIF8": "a GIF image",
        b"BM": "a BMP image",
        b"II*\0": "a TIFF image or a camera's raw file",
        b"MM\0*": "a TIFF image or a camera's raw file",
        b"8BPS": "a Photoshop document",
        b"\0\0\1\0": "an icon",
        b"\xff\x0a": "a JPEG XL image",
        b"\0\0\0\x0cJXL ": "a JPEG XL image",
        b"\0\0\0\x0cjP  ": "a JPEG 2000 image",
        b"PAR1": "a Parquet file",
        b"ARROW1": "an Arrow file",
        b"\x1f\x8b": "a file compressed by gzip",
        b"BZh": "a file compressed by bzip2",
        b"\xfd7zXZ\0": "a file compressed by xz",
        b"\x28\xb5\x2f\xfd": "a file compressed by Zstandard",
        b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
        b"Rar!\x1a\x07": "a RAR archive",
        b"SQLite format 3\0": "an SQLite database",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "a document of an older Microsoft Office, such as .xls",
        b"\x7fELF": "a program",
        b"MZ": "a program",
        b"OggS": "a video or sound",
        b"\x1aE\xdf\xa3": "a video",
        b"RIFX": "a video or sound",
        b"\xff\xfe": "text in UTF-16",
        b"\xfe\xff": "text in UTF-16",
    }
)
_TEXT_MARKS: Mapping[bytes, str] = MappingProxyType(
    {
        b"%PDF": "a PDF document",
        b"%!PS": "a PostScript document",
        b"version https://git-lfs": "a pointer of Git LFS; fetch the file itself",
    }
)
_BRANDS: Mapping[bytes, str] = MappingProxyType(
    {
        **dict.fromkeys((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis"), "a HEIC image"),
        **dict.fromkeys((b"mif1", b"msf1"), "a HEIF image"),
        **dict.fromkeys((b"avif", b"avis"), "an AVIF image"),
        b"crx ": "a camera's raw file",
    }
)
_OFFICE = ((b"xl/", "an Excel workbook"), (b"word/", "a Word document"), (b"ppt/", "a PowerPoint document"))
_MARKUP = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(!doctype\s+html|html|head|body|svg|!doctype\s+svg|[a-z?!])",
    re.DOTALL | re.I,
)
_FIRST = 512
_MARK_OF_UTF8 = b"\xef\xbb\xbf"
_CONTROLS = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")


def described(start: bytes) -> str | None:
    """The kind of a file that begins with these bytes, in words; None if unknown."""
    start = start[:LOOKED_AT]
    text = start.removeprefix(_MARK_OF_UTF8)
    # A table may begin with the letters of a mark, such as a column PK, but has no controls.
    if text != start or (start[:1] < b"\x80" and not _CONTROLS.search(start[:_FIRST])):
        return _of_text(text)
    if start.startswith(b"PK"):
        return next((words for mark, words in _OFFICE if mark in start), "a ZIP archive")
    if start[4:8] == b"ftyp":
        return _of_brands(start)
    if start.startswith(b"RIFF"):
        return "a WebP image" if start[8:12] == b"WEBP" else "a video or sound"
    if start[257:262] == b"ustar":
        return "a TAR archive"
    if known := next((words for mark, words in _MARKS.items() if start.startswith(mark)), None):
        return known
    if not start.strip(b"\0"):
        return "nothing but zeros"
    return _of_text(start)


def is_json_lines(start: bytes) -> bool:
    """Whether the first line is a whole JSON object."""
    line = start.removeprefix(_MARK_OF_UTF8).lstrip().split(b"\n", 1)[0]
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _of_brands(start: bytes) -> str:
    brands = [start[place : place + 4] for place in (8, *range(16, min(64, int.from_bytes(start[:4], "big")), 4))]
    return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), "a video")


def _of_text(start: bytes) -> str | None:
    if known := next((words for mark, words in _TEXT_MARKS.items() if start.startswith(mark)), None):
        return known
    if _CONTROLS.search(start):
        return None
    if found := _MARKUP.match(start):
        name = found[1].lower()
        if b"svg" in name:
            return "an SVG drawing"
        return "an HTML page" if len(name) > 1 else "an XML document"
    text = start.lstrip()
    if text.startswith(b"{"):
        return "JSON lines" if b"\n" in text and is_json_lines(text) else "JSON"
    if text.startswith(b"["):
        return "JSON"
    return "text" if text else None
