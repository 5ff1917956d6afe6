"""IPTC-IIM, the press agencies' record of 1991, in JPEG and TIFF files.

A stream of data sets: a tag mark, record and data set number, length, value. Data set 1:90 states
the encoding, by escape sequences; many programs leave it out.

Source: IPTC-NAA Information Interchange Model 4.2, sections 1.5 to 1.6, 5 and 6.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from registry.metadata.byte_text import Stated, named_by_iso_2022, read_text
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


def read_iptc(block: bytes, problems: Problems) -> dict[str, str]:
    """Fields of an IIM block. Repeated ones, such as several by-lines, are joined by semicolons."""
    found: dict[str, list[bytes]] = {}
    stated: Stated | None = None
    for record, number, value in _data_sets(block, problems):
        if (record, number) == (1, 90):
            stated = named_by_iso_2022(value)
            if stated is None and value.strip(b"\0 "):
                problems.add(f"IPTC 1:90 states an unknown encoding: {value[:24].hex(' ')}")
        elif record == 2 and number in NAMES:
            values = found.setdefault(NAMES[number], [])
            if len(values) < 100:
                values.append(value[: 4 * LONGEST_VALUE + 1])
    fields: dict[str, str] = {}
    for name, values in found.items():
        readings = [read_text(value, stated) for value in values]
        for reading in readings:
            problems.add_doubt("IPTC", name, reading.doubt)
        put(fields, name, "; ".join(reading.text for reading in readings), problems, "IPTC")
    return fields


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
