"""The metadata blocks of an image file, format by format, without decoding a pixel.

Pillow gives most blocks when it opens a file. The file's blocks are walked for the others: those
after the pixels of a PNG, the XMP of a GIF or a JPEG 2000, second packets of a JPEG, and C2PA. Most
works have no metadata, so this check must cost little.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image, TiffImagePlugin
from PIL.JpegImagePlugin import JpegImageFile

from registry.metadata import exif, iptc
from registry.metadata.values import LARGEST_PACKET, Problems

MOST_BLOCKS = 100_000
MOST_PACKETS = 8
_XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENSION_HEADER = b"http://ns.adobe.com/xmp/extension/\0"
_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_TIFF_XMP, _TIFF_IPTC, _TIFF_PHOTOSHOP, _TIFF_C2PA = 700, 33723, 34377, 52545
_PNG_KEYWORDS = ("Author", "Copyright", "Title", "Description")


@dataclass
class Blocks:
    """The raw metadata of one file."""

    xmp: list[bytes] = field(default_factory=list)
    """Packets, the main one first."""
    iptc: list[bytes] = field(default_factory=list)
    exif: list[bytes] = field(default_factory=list)
    tiff_tags: Any = None
    """A TIFF's own directory, when it has fields that are read."""
    png: dict[str, str] = field(default_factory=dict)
    has_c2pa: bool = False

    @property
    def any(self) -> bool:
        return bool(self.xmp or self.iptc or self.exif or self.tiff_tags or self.png or self.has_c2pa)


def locate(image: Image.Image, data: bytes, problems: Problems) -> Blocks:
    """Find the metadata of an opened image whose file has these bytes."""
    blocks = Blocks()
    info = image.info
    if packet := info.get("xmp"):
        blocks.xmp.append(packet.encode("utf-8", "replace") if isinstance(packet, str) else bytes(packet))
    if block := info.get("exif"):
        blocks.exif.append(bytes(block))
    if walk := _WALKS.get(image.format or ""):
        try:
            walk(image, data, blocks, problems)
        except Exception as error:
            problems.add_error(f"the blocks of the {image.format} file cannot be read", error)
    return blocks


def _jpeg(image: Image.Image, data: bytes, blocks: Blocks, problems: Problems) -> None:
    del data
    if not isinstance(image, JpegImageFile):
        return
    if (photoshop := image.info.get("photoshop")) and isinstance(found := photoshop.get(0x0404), bytes):
        blocks.iptc.append(found)
    if not blocks.xmp and "APP1" not in image.app and "APP11" not in image.app:
        return
    extensions: dict[bytes, dict[int, tuple[int, bytes]]] = {}
    for name, body in image.applist:
        if name == "APP11" and (b"jumb" in body or b"c2pa" in body):
            blocks.has_c2pa = True
        elif name == "APP1" and body.startswith(_XMP_HEADER):
            packet = body[len(_XMP_HEADER) :]
            if packet not in blocks.xmp:
                _add_packet(blocks, packet, problems)
        elif name == "APP1" and body.startswith(_EXTENSION_HEADER) and len(body) >= len(_EXTENSION_HEADER) + 40:
            rest = body[len(_EXTENSION_HEADER) :]
            length, offset = struct.unpack(">II", rest[32:40])
            extensions.setdefault(rest[:32], {})[offset] = (length, rest[40:])
    for parts in extensions.values():
        _join_extension(parts, blocks, problems)


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
    _add_packet(blocks, bytes(joined), problems)


def _add_packet(blocks: Blocks, packet: bytes, problems: Problems) -> None:
    if len(blocks.xmp) < MOST_PACKETS:
        blocks.xmp.append(packet)
    else:
        problems.add(f"more than {MOST_PACKETS} XMP packets; the first are read")


def _png(image: Image.Image, data: bytes, blocks: Blocks, problems: Problems) -> None:
    info = image.info
    for keyword in _PNG_KEYWORDS:
        if keyword in info:
            blocks.png[keyword] = str(info[keyword])
    for profile_of in ("exif", "iptc", "8bim", "xmp", "APP1"):
        if profile := info.get(f"Raw profile type {profile_of}"):
            _add_raw_profile(profile_of, str(profile), blocks, problems)
    position, after_pixels = 8, False
    for _ in range(MOST_BLOCKS):
        if position + 8 > len(data):
            return
        kind = data[position + 4 : position + 8]
        body_end = position + 8 + int.from_bytes(data[position : position + 4], "big")
        if kind == b"IDAT":
            after_pixels = True
        elif kind == b"caBX":
            blocks.has_c2pa = True
        elif after_pixels and kind == b"eXIf":
            blocks.exif.append(data[position + 8 : body_end])
        elif after_pixels and kind in (b"iTXt", b"tEXt", b"zTXt"):
            _add_late_text(kind, data[position + 8 : body_end], blocks, problems)
        position = body_end + 4
    problems.add(f"more than {MOST_BLOCKS:,} chunks; the first are looked at for metadata")


def _add_late_text(kind: bytes, body: bytes, blocks: Blocks, problems: Problems) -> None:
    keyword, _, rest = body.partition(b"\0")
    compressed = kind == b"zTXt"
    if kind == b"iTXt":
        compressed = rest[:1] == b"\1"
        rest = rest[2:].split(b"\0", 2)[-1]
    elif compressed:
        rest = rest[1:]
    if compressed:
        rest = zlib.decompressobj().decompress(rest, LARGEST_PACKET + 1)
    name = keyword.decode("latin-1")
    if name == "XML:com.adobe.xmp":
        _add_packet(blocks, rest, problems)
    elif name in _PNG_KEYWORDS:
        blocks.png.setdefault(name, rest.decode("utf-8" if kind == b"iTXt" else "latin-1", "replace"))
    elif name.startswith("Raw profile type "):
        _add_raw_profile(name.removeprefix("Raw profile type "), rest.decode("latin-1"), blocks, problems)


def _add_raw_profile(kind: str, text: str, blocks: Blocks, problems: Problems) -> None:
    """A block in hexadecimal after three lines of heading, as ImageMagick writes it."""
    lines = text[: 4 * LARGEST_PACKET].strip("\n").split("\n", 2)
    try:
        block = bytes.fromhex(lines[-1])
    except ValueError:
        problems.add(f"the raw profile {kind} is not hexadecimal")
        return
    if block.startswith(_XMP_HEADER):
        _add_packet(blocks, block[len(_XMP_HEADER) :], problems)
    elif kind == "xmp":
        _add_packet(blocks, block, problems)
    elif kind in ("exif", "APP1"):
        blocks.exif.append(block)
    elif block.startswith(b"8BIM"):
        blocks.iptc += iptc.iptc_resources(block)
    elif kind == "iptc":
        blocks.iptc.append(block)


def _tiff(image: Image.Image, data: bytes, blocks: Blocks, problems: Problems) -> None:
    del data, problems
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return
    tags = image.tag_v2
    if any(tag in tags for tag in exif.TAGS):
        blocks.tiff_tags = tags
    blocks.has_c2pa = _TIFF_C2PA in tags
    # As Pillow's own IPTC reader: Photoshop declares the block as long integers, and the directory
    # would give the first one only.
    raw = tags._tagdata
    if not blocks.xmp and _TIFF_XMP in raw:
        blocks.xmp.append(raw[_TIFF_XMP])
    if _TIFF_IPTC in raw:
        blocks.iptc.append(raw[_TIFF_IPTC])
    elif _TIFF_PHOTOSHOP in raw:
        blocks.iptc += iptc.iptc_resources(raw[_TIFF_PHOTOSHOP])


def _gif(image: Image.Image, data: bytes, blocks: Blocks, problems: Problems) -> None:
    del image
    flags = data[10]
    position = 13 + (3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0)
    for _ in range(MOST_BLOCKS):
        if data[position : position + 1] == b"\x2c":
            position += 10
            if data[position - 1] & 0x80:
                position += 3 * 2 ** ((data[position - 1] & 7) + 1)
            position = _after_sub_blocks(data, position + 1)
            continue
        if data[position : position + 1] != b"\x21":
            return
        name = data[position + 3 : position + 14]
        if name == b"XMP DataXMP":
            # The packet is not in sub-blocks; a trailer that counts down leads to its end.
            end = data.find(b"\x01\xff\xfe\xfd", position + 14)
            _add_packet(blocks, data[position + 14 : end if end > 0 else len(data)], problems)
        elif name.startswith(b"C2PA_GIF"):
            blocks.has_c2pa = True
        position = _after_sub_blocks(data, position + 2)


def _after_sub_blocks(data: bytes, position: int) -> int:
    # Pixels fill their sub-blocks, all but the last: a run of full ones is skipped at once.
    while data[position : position + 1] == b"\xff":
        lengths = data[position : position + 2**20 : 256]
        position += 256 * (len(lengths) - len(lengths.lstrip(b"\xff")))
    while position < len(data) and data[position]:
        position += 1 + data[position]
    return position + 1


def _webp(image: Image.Image, data: bytes, blocks: Blocks, problems: Problems) -> None:
    del image, problems
    position = 12
    for _ in range(MOST_BLOCKS):
        if position + 8 > len(data):
            return
        if data[position : position + 4] == b"C2PA":
            blocks.has_c2pa = True
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        position += 8 + length + (length & 1)


def _boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of the content of each outermost box of an ISO base media file."""
    position = 0
    for _ in range(MOST_BLOCKS):
        if position + 8 > len(data):
            return
        length, start = int.from_bytes(data[position : position + 4], "big"), position + 8
        if length == 1:
            length, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        end = position + length if length else len(data)
        if end < start:
            return
        yield data[position + 4 : position + 8], start, end
        position = end


def _iso_media(image: Image.Image, data: bytes, blocks: Blocks, problems: Problems) -> None:
    del image
    for kind, start, end in _boxes(data):
        if kind == b"uuid":
            identifier = data[start : start + 16]
            if identifier == _C2PA_UUID:
                blocks.has_c2pa = True
            elif identifier == _XMP_UUID and not blocks.xmp:
                _add_packet(blocks, data[start + 16 : end], problems)


_Walk = Callable[[Image.Image, bytes, Blocks, Problems], None]
_WALKS: dict[str, _Walk] = {
    "JPEG": _jpeg,
    "MPO": _jpeg,
    "PNG": _png,
    "TIFF": _tiff,
    "GIF": _gif,
    "WEBP": _webp,
    "AVIF": _iso_media,
    "JPEG2000": _iso_media,
}
