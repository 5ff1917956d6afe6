"""IPTC-IIM, the press agencies' record of 1991, in JPEG and TIFF files.

A stream of data sets: a tag mark, record and data set number, length, value. Text is Latin-1 unless
data set 1:90 states UTF-8; many programs leave that out, so valid UTF-8 is decoded as UTF-8.

Source: IPTC-NAA Information Interchange Model 4.2, sections 1.5 to 1.6, 5 and 6.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from registry.metadata.values import LONGEST_VALUE, Problems, put

NAMES: Mapping[int, str] = MappingProxyType(
    {
        5: "ObjectName",
        40: "SpecialInstructions",
        80: "By-line",
        105: "Headline",
        110: "Credit",
        115: "Source",
        116: "CopyrightNotice",
        120: "Caption-Abstract",
    }
)
"""Data sets of record 2."""
MOST_DATA_SETS = 10_000
_TAG_MARK = 0x1C
_UTF8 = b"\x1b%G"
_IPTC_RESOURCE = 0x0404


def read_iptc(block: bytes, problems: Problems) -> dict[str, str]:
    """Fields of an IIM block. Repeated ones, such as several by-lines, are joined by semicolons."""
    found: dict[str, list[bytes]] = {}
    is_utf8 = False
    for record, number, value in _data_sets(block, problems):
        if (record, number) == (1, 90):
            is_utf8 = value.strip() == _UTF8
        elif record == 2 and number in NAMES:
            values = found.setdefault(NAMES[number], [])
            if len(values) < 100:
                values.append(value[: 4 * LONGEST_VALUE + 1])
    fields: dict[str, str] = {}
    for name, values in found.items():
        put(fields, name, "; ".join(_decoded(value, is_utf8).strip() for value in values), problems, "IPTC")
    return fields


def iptc_resources(block: bytes) -> Iterator[bytes]:
    """The IIM blocks in a Photoshop image resource block."""
    position = 0
    while block[position : position + 4] == b"8BIM" and position + 12 <= len(block):
        name_length = block[position + 6] + 1
        start = position + 6 + name_length + (name_length & 1)
        length = int.from_bytes(block[start : start + 4], "big")
        if int.from_bytes(block[position + 4 : position + 6], "big") == _IPTC_RESOURCE:
            yield block[start + 4 : start + 4 + length]
        position = start + 4 + length + (length & 1)


def _data_sets(block: bytes, problems: Problems) -> Iterator[tuple[int, int, bytes]]:
    position = 0
    for _ in range(MOST_DATA_SETS):
        if position + 5 > len(block) or block[position] != _TAG_MARK:
            # Blocks are padded to full words, with any bytes.
            if len(block) - position > 4 and block[position:].strip(b"\0 "):
                problems.add(f"IPTC cannot be read after byte {position:,} of {len(block):,}")
            return
        record, number = block[position + 1], block[position + 2]
        length = int.from_bytes(block[position + 3 : position + 5], "big")
        position += 5
        if length & 0x8000:
            size_of_length = length & 0x7FFF
            if size_of_length > 8:
                problems.add(f"IPTC {record}:{number} has a length of {size_of_length:,} bytes; at most 8 are read")
                return
            length = int.from_bytes(block[position : position + size_of_length], "big")
            position += size_of_length
        if position + length > len(block):
            problems.add(f"IPTC {record}:{number} is cut short: {length:,} bytes announced")
        yield record, number, block[position : position + length]
        position += length
    problems.add(f"IPTC has more than {MOST_DATA_SETS:,} data sets; the first are read")


def _decoded(value: bytes, is_utf8: bool) -> str:
    try:
        return value.decode("utf-8", "replace" if is_utf8 else "strict")
    except UnicodeDecodeError:
        return value.decode("latin-1")
