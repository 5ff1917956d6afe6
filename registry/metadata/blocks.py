"""The raw metadata of one file, collected block by block while its container is walked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from registry.metadata.byte_text import Reading
from registry.metadata.plus import prohibitions_in
from registry.metadata.values import LARGEST_PACKET, Problems
from registry.signals import RightsSignal

MOST_BLOCKS = 100_000
"""Blocks of a file that are looked at."""
MOST_PACKETS = 8
"""Blocks of one kind that are read."""
XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"
_RESOURCE_KINDS = (b"8BIM", b"MeSa", b"PHUT", b"AgHg", b"DCSR")
_IPTC_RESOURCE, _EXIF_RESOURCE, _XMP_RESOURCE = 0x0404, 0x0422, 0x0424


@dataclass
class Blocks:
    """Blocks of each kind, none twice, in the order in which they were found."""

    xmp: list[bytes] = field(default_factory=list)
    """Packets, the main one first."""
    unread_xmp: list[bytes] = field(default_factory=list)
    """Packets that are searched for prohibitions only."""
    walked_to: int = 0
    """Bytes of the file before this one have no XMP but these packets."""
    iptc: list[bytes] = field(default_factory=list)
    exif: list[bytes] = field(default_factory=list)
    tiff_tags: Any = None
    """A TIFF's own directory, when it has fields that are read."""
    texts: list[tuple[str, str, Reading]] = field(default_factory=list)
    """Place (``png``, ``comment``), name and reading of texts of the container itself."""
    signals: list[RightsSignal] = field(default_factory=list)
    """Prohibitions in packets that are not read."""
    has_c2pa: bool = False

    @property
    def any(self) -> bool:
        return bool(self.xmp or self.iptc or self.exif or self.tiff_tags or self.texts or self.signals or self.has_c2pa)

    def add_xmp(self, packet: bytes, problems: Problems) -> None:
        """Add a packet. One that is too large, or one too many, is searched for prohibitions."""
        if packet in self.xmp or packet in self.unread_xmp:
            return
        if len(packet) > LARGEST_PACKET:
            problems.add(
                f"an XMP packet of {len(packet):,} bytes is neither read nor kept; at most {LARGEST_PACKET:,} are"
            )
        elif len(self.xmp) < MOST_PACKETS:
            self.xmp.append(packet)
            return
        else:
            problems.add(f"more than {MOST_PACKETS} XMP packets; the others are searched for prohibitions only")
        if len(self.unread_xmp) < MOST_PACKETS:
            self.unread_xmp.append(packet)
        self.add_prohibitions(packet, "xmp (not readable)")

    def add_prohibitions(self, text: bytes, found_in: str) -> None:
        """Add the prohibitions in a text that is not read."""
        self.signals = list(dict.fromkeys([*self.signals, *prohibitions_in(text, found_in)]))

    def add_exif(self, block: bytes, problems: Problems) -> None:
        """Add a block of EXIF, with or without the header ``Exif``."""
        self._add(self.exif, "EXIF", block, problems)

    def add_iptc(self, block: bytes, problems: Problems) -> None:
        """Add a block of IPTC-IIM."""
        self._add(self.iptc, "IPTC", block, problems)

    def add_photoshop(self, resources: bytes, problems: Problems) -> None:
        """Add the metadata in a Photoshop image resource block: IPTC, EXIF and XMP."""
        for kind, block in photoshop_resources(resources):
            if kind == _IPTC_RESOURCE:
                self.add_iptc(block, problems)
            elif kind == _EXIF_RESOURCE:
                self.add_exif(block, problems)
            elif kind == _XMP_RESOURCE:
                self.add_xmp(block, problems)

    def _add(self, blocks: list[bytes], what: str, block: bytes, problems: Problems) -> None:
        if not block or block in blocks:
            return
        if len(block) > LARGEST_PACKET:
            problems.add(f"a block of {what} of {len(block):,} bytes is not read; at most {LARGEST_PACKET:,} are")
        elif len(blocks) == MOST_PACKETS:
            problems.add(f"more than {MOST_PACKETS} blocks of {what}; the others are not read")
        else:
            blocks.append(block)


def photoshop_resources(block: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and content of each resource in a Photoshop image resource block."""
    position = 0
    while block[position : position + 4] in _RESOURCE_KINDS and position + 12 <= len(block):
        name_length = block[position + 6] + 1
        start = position + 6 + name_length + (name_length & 1)
        length = int.from_bytes(block[start : start + 4], "big")
        yield int.from_bytes(block[position + 4 : position + 6], "big"), block[start + 4 : start + 4 + length]
        position = start + 4 + length + (length & 1)
