"""The metadata chunks of a PNG, before and behind its pixels alike.

Pillow hands over the texts of a PNG decoded, and those behind the pixels only after decoding. So
the chunks are walked here: the same text gives the same answer in every chunk that may have it.

Source: W3C PNG (third edition) 11.3.3; the raw profiles are ImageMagick's and ExifTool's.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from registry.metadata.blocks import MOST_BLOCKS, XMP_HEADER, Blocks
from registry.metadata.byte_text import LATIN1, UTF8, Reading, Stated, read_text
from registry.metadata.rights_words import unreadable_words
from registry.metadata.values import LARGEST_PACKET, LONGEST_VALUE, Problems

_TEXT_KINDS = (b"tEXt", b"zTXt", b"iTXt")
_KEYWORDS: Mapping[str, str] = MappingProxyType(
    {
        **{name.lower(): name for name in ("Author", "Copyright", "Title", "Description", "Disclaimer", "Comment")},
        **{"license": "License", "licence": "License", "rights": "Rights", "usage terms": "Usage Terms"},
        **{"usageterms": "Usage Terms", "copyright notice": "Copyright"},
    }
)
_ABOUT_RIGHTS = frozenset({"Copyright", "Disclaimer", "License", "Rights", "Usage Terms"})
_XMP = "xml:com.adobe.xmp"
_RAW_PROFILE = "raw profile type "
_OTHER_PROFILES = frozenset({"icc", "icm"})
MOST_UNPACKED = 2**26
"""Unpacked bytes of a file's text chunks in all."""


@dataclass(frozen=True)
class _Text:
    name: str
    body: bytes
    encoding: Stated


def find_png_blocks(data: bytes, blocks: Blocks, problems: Problems) -> None:
    """Collect the blocks of a PNG."""
    budget = MOST_UNPACKED
    position = 8
    for _ in range(MOST_BLOCKS):
        if position + 8 > len(data):
            return
        kind = data[position + 4 : position + 8]
        body_end = position + 8 + int.from_bytes(data[position : position + 4], "big")
        if kind == b"caBX":
            blocks.has_c2pa = True
        elif kind == b"eXIf":
            blocks.add_exif(data[position + 8 : body_end], problems)
        elif kind in _TEXT_KINDS:
            text = _text_of(kind, data[position + 8 : body_end], budget, problems)
            if text is not None:
                budget -= len(text.body) if kind != b"tEXt" else 0
                _add_text(text, blocks, problems)
            else:
                _add_damaged(data[position + 8 : body_end], blocks)
        position = body_end + 4
    problems.add(f"more than {MOST_BLOCKS:,} chunks; the first are looked at for metadata")


def _text_of(kind: bytes, body: bytes, budget: int, problems: Problems) -> _Text | None:
    """The text of a chunk, unpacked; None, with a problem, if that is not possible."""
    keyword, _, rest = body.partition(b"\0")
    name = read_text(keyword, LATIN1).text
    shown = f"the {kind.decode()} chunk {name[:80]!r}"
    compressed, method = kind == b"zTXt", rest[:1]
    if kind == b"iTXt":
        compressed, method = rest[:1] != b"\0", rest[1:2]
        rest = rest[2:].split(b"\0", 2)[-1]
    elif compressed:
        rest = rest[1:]
    if compressed:
        if method != b"\0":
            problems.add(f"{shown} has an unknown compression; it is not read")
            return None
        if budget <= 0:
            problems.add(f"text chunks that unpack to more than {MOST_UNPACKED:,} bytes; the others are not read")
            return None
        unpacker = zlib.decompressobj()
        try:
            rest = unpacker.decompress(rest, LARGEST_PACKET + 1)
        except zlib.error:
            problems.add(f"{shown} is damaged: it cannot be unpacked")
            return None
        if not unpacker.eof and len(rest) <= LARGEST_PACKET:
            problems.add(f"{shown} is damaged: its compressed text is cut short")
    return _Text(name, rest, UTF8 if kind == b"iTXt" else LATIN1)


def _add_damaged(body: bytes, blocks: Blocks) -> None:
    """A statement about rights that cannot be unpacked is a signal that is not understood."""
    name = read_text(body.partition(b"\0")[0], LATIN1).text.lower()
    if name == _XMP or _KEYWORDS.get(name) in _ABOUT_RIGHTS:
        blocks.signals.append(unreadable_words(_KEYWORDS.get(name, "XMP"), "png"))


def _add_text(text: _Text, blocks: Blocks, problems: Problems) -> None:
    name = text.name.lower()
    if name == _XMP:
        blocks.add_xmp(text.body, problems)
    elif name in _KEYWORDS:
        reading = read_text(text.body[: 4 * LONGEST_VALUE], text.encoding)
        if len(text.body) > 4 * LONGEST_VALUE:
            # The end of a cut text can be half a letter.
            reading = Reading(reading.text, f"has {len(text.body):,} bytes; the first {4 * LONGEST_VALUE:,} are read")
        blocks.texts.append(("png", _KEYWORDS[name], reading))
    elif name.startswith(_RAW_PROFILE):
        _add_raw_profile(name.removeprefix(_RAW_PROFILE), text.body, blocks, problems)


def _add_raw_profile(kind: str, text: bytes, blocks: Blocks, problems: Problems) -> None:
    """A block in hexadecimal after three lines of heading, as ImageMagick writes it."""
    if kind in _OTHER_PROFILES:
        return
    lines = text[: 4 * LARGEST_PACKET].strip(b"\n").split(b"\n", 2)
    try:
        block = bytes.fromhex(lines[-1].decode("ascii"))
    except ValueError:
        problems.add(f"the raw profile {kind} is not hexadecimal")
        return
    if block.startswith(XMP_HEADER):
        blocks.add_xmp(block[len(XMP_HEADER) :], problems)
    elif kind == "xmp":
        blocks.add_xmp(block, problems)
    elif kind in ("exif", "app1"):
        blocks.add_exif(block, problems)
    elif block.startswith(b"8BIM"):
        blocks.add_photoshop(block, problems)
    elif kind in ("iptc", "8bim"):
        blocks.add_iptc(block, problems)
    else:
        problems.add(f"the raw profile {kind} is of no known kind; it is not read")
