"""The metadata blocks of a JPEG: before, between and behind its scans.

Source: ITU T.81 annex B; XMP specification part 3 (extended XMP); CIPA DC-008 4.7.2.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping

from registry.metadata.blocks import XMP_HEADER, Blocks
from registry.metadata.byte_text import read_text
from registry.metadata.values import Problems

_EXTENSION_HEADER = b"http://ns.adobe.com/xmp/extension/\0"
_EXIF_HEADER = b"Exif\0\0"
_PHOTOSHOP_HEADER = b"Photoshop 3.0\0"
_TIFF_STARTS = (b"II*\0", b"MM\0*")
_APP1, _APP11, _APP13, _COMMENT = 0xE1, 0xEB, 0xED, 0xFE
_SCAN, _END = 0xDA, 0xD9
_LATER = (
    (_APP1, XMP_HEADER),
    (_APP1, _EXTENSION_HEADER),
    (_APP1, _EXIF_HEADER),
    (_APP13, _PHOTOSHOP_HEADER),
)
"""Segments that are looked for behind the first scan too, by their marker and header."""
ABOUT_RIGHTS = re.compile(rb"copyright|copr\.|\(c\)|\xa9|licen[cs]|rights|training|data.?mining", re.IGNORECASE)
"""Comments that are kept: most others name a program."""


def find_jpeg_blocks(data: bytes, blocks: Blocks, problems: Problems) -> None:
    """Collect the blocks of a JPEG, those of further pictures behind it included."""
    extensions: dict[bytes, dict[int, tuple[int, bytes]]] = {}
    photoshop: list[bytes] = []
    exif: list[bytes] = []
    for marker, body in _segments(data, blocks):
        if marker == _APP11 and (b"jumb" in body or b"c2pa" in body):
            blocks.has_c2pa = True
        elif marker == _COMMENT and ABOUT_RIGHTS.search(body):
            blocks.texts.append(("comment", "Comment", read_text(body)))
        elif marker == _APP13 and body.startswith(_PHOTOSHOP_HEADER):
            photoshop.append(body[len(_PHOTOSHOP_HEADER) :])
        elif marker != _APP1:
            continue
        elif body.startswith(XMP_HEADER):
            blocks.add_xmp(body[len(XMP_HEADER) :], problems)
        elif body.startswith(_EXIF_HEADER):
            # A segment without a header of TIFF goes on with a block too long for one.
            if exif and body[6:10] not in _TIFF_STARTS:
                exif[-1] += body[6:]
            else:
                exif.append(body)
        elif body.startswith(_EXTENSION_HEADER) and len(body) >= len(_EXTENSION_HEADER) + 40:
            rest = body[len(_EXTENSION_HEADER) :]
            length, offset = struct.unpack(">II", rest[32:40])
            extensions.setdefault(rest[:32], {})[offset] = (length, rest[40:])
    for block in exif:
        blocks.add_exif(block, problems)
    for portion in (b"".join(photoshop), *photoshop):  # one block in several segments, or one block each
        blocks.add_photoshop(portion, problems)
    for parts in extensions.values():
        _join_extension(parts, blocks, problems)


def _segments(data: bytes, blocks: Blocks) -> Iterator[tuple[int, bytes]]:
    """Marker and content of the segments with metadata."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without a body
            position += 2
        elif marker in (_SCAN, _END):
            break
        else:
            end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
            if marker >= 0xE0:
                yield marker, data[position + 4 : end]
            position = end
    blocks.walked_to = position
    # Between compressed data, a segment is found by its header: looking at every byte would take
    # longer than hashing the file.
    for marker, header in _LATER:
        at = data.find(header, position)
        while at >= 0:
            if at >= position + 4 and data[at - 4 : at - 2] == bytes([0xFF, marker]):
                yield marker, data[at : at - 2 + int.from_bytes(data[at - 2 : at], "big")]
            at = data.find(header, at + len(header))


def _join_extension(parts: Mapping[int, tuple[int, bytes]], blocks: Blocks, problems: Problems) -> None:
    """Extended XMP: a packet too long for one segment, in portions with their offsets."""
    joined = bytearray()
    for offset, (_, portion) in sorted(parts.items()):
        if offset != len(joined):
            break
        joined += portion
    announced = max(length for length, _ in parts.values())
    if len(joined) != announced:
        problems.add(f"extended XMP is incomplete: {len(joined):,} of {announced:,} bytes are there in one piece")
        joined = bytearray().join(portion for _, portion in parts.values())
    blocks.add_xmp(bytes(joined), problems)
