"""Whether an image file is complete, by its structure, without decoding a pixel.

Decoding costs several times as much as hashing. PNG, JPEG, GIF and WebP mark their end; the check
walks their blocks to it, and compares a PNG's checksums. The few other images are decoded.

Sources: W3C PNG (third edition) 5.3; ITU T.81 annex B; GIF89a appendix A; Google's WebP container
  specification.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType

TRUNCATED = "truncated image: the file ends before its image does"


def _fault_of_png(data: bytes) -> str | None:
    position = 8
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        end = position + 12 + length
        if end > len(data):
            return TRUNCATED
        kind = data[position + 4 : position + 8]
        body = memoryview(data)[position + 4 : end - 4]
        if zlib.crc32(body) != int.from_bytes(data[end - 4 : end], "big"):
            return f"damaged image: the checksum of its {kind.decode('ascii', 'replace')} chunk is wrong"
        if kind == b"IEND":
            return None
        position = end
    return TRUNCATED


def _fault_of_jpeg(data: bytes) -> str | None:
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            return "damaged image: a JPEG marker is missing"
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without a body
            position += 2
        elif marker == 0xDA:
            # In compressed data 0x00 follows a byte 0xFF, so an end marker from here on is real. A
            # preview in the metadata before the first scan has an end marker, too.
            return None if data.rfind(b"\xff\xd9", position) > 0 else TRUNCATED
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return TRUNCATED


def _fault_of_gif(data: bytes) -> str | None:
    position = 13 + _colour_table(data[10])
    while position < len(data):
        block = data[position]
        if block == 0x3B:
            return None
        if block == 0x2C and position + 10 <= len(data):
            position = _after_sub_blocks(data, position + 11 + _colour_table(data[position + 9]))
        elif block == 0x21:
            position = _after_sub_blocks(data, position + 2)
        else:
            return "damaged image: an unknown GIF block"
    return TRUNCATED


def _colour_table(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _after_sub_blocks(data: bytes, position: int) -> int:
    while position < len(data) and data[position]:
        position += 1 + data[position]
    return position + 1


def _fault_of_webp(data: bytes) -> str | None:
    return None if int.from_bytes(data[4:8], "little") + 8 <= len(data) else TRUNCATED


FAULT_FINDERS: Mapping[str, Callable[[bytes], str | None]] = MappingProxyType(
    {
        "PNG": _fault_of_png,
        "JPEG": _fault_of_jpeg,
        "MPO": _fault_of_jpeg,
        "GIF": _fault_of_gif,
        "WEBP": _fault_of_webp,
    }
)
"""Checks by Pillow's format name, after Pillow read the header: a reason to refuse, or None."""
