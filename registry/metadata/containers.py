"""The metadata blocks of an image file, format by format, without decoding a pixel.

The file's blocks are walked here, because Pillow hands over some of them, and of several of one
kind the last. Most works have no metadata, so this check must cost little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from PIL import Image, TiffImagePlugin

from registry.metadata import exif
from registry.metadata.blocks import MOST_BLOCKS, MOST_PACKETS, Blocks
from registry.metadata.byte_text import read_text
from registry.metadata.jpeg_blocks import ABOUT_RIGHTS, find_jpeg_blocks
from registry.metadata.png_blocks import find_png_blocks
from registry.metadata.values import LARGEST_PACKET, Problems

_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_IPTC_UUID = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")
_EXIF_UUID = b"JpgTiffExif->JP2"
_TIFF_XMP, _TIFF_IPTC, _TIFF_PHOTOSHOP, _TIFF_C2PA = 700, 33723, 34377, 52545
_JXL_CONTAINER = b"\0\0\0\x0cJXL "
_PACKED_BOX = b"brob"
_PACKET_START, _PACKET_END = b"<?xpacket begin", b"<?xpacket end"
_PROHIBITION = b"DMI-PROHIBITED"


def locate(image: Image.Image, data: bytes, problems: Problems) -> Blocks:
    """Find the metadata of an opened image whose file has these bytes."""
    blocks = Blocks()
    if walk := _WALKS.get(image.format or ""):
        try:
            walk(image, data, blocks, problems)
            _stray_packets(data, blocks, problems)
        except Exception as error:
            problems.add_error(f"the blocks of the {image.format} file cannot be read", error)
    return blocks


def _stray_packets(data: bytes, blocks: Blocks, problems: Problems) -> None:
    """XMP outside the places that the format has for it, found by its own marks.

    The XMP specification (part 3, "Packet scanning") describes the search.
    """
    known = (*blocks.xmp, *blocks.unread_xmp)
    at = data.find(_PACKET_START, blocks.walked_to)
    while at >= 0 and len(blocks.unread_xmp) < MOST_PACKETS:
        end = data.find(_PACKET_END, at)
        packet = data[at : end if end > 0 else len(data)]
        if not any(packet in each for each in known):
            blocks.add_xmp(packet, problems)
        at = data.find(_PACKET_START, at + len(packet))
    if (at := data.find(_PROHIBITION, blocks.walked_to)) < 0:
        return
    if not any(_PROHIBITION in each for each in (*blocks.xmp, *blocks.unread_xmp)):
        problems.add("DMI-PROHIBITED stands in the file outside its XMP; it counts as a prohibition")
        blocks.add_prohibitions(data[at:], "file (outside its metadata)")


def _jpeg(image: Image.Image, data: bytes, blocks: Blocks, problems: Problems) -> None:
    del image
    find_jpeg_blocks(data, blocks, problems)


def _png(image: Image.Image, data: bytes, blocks: Blocks, problems: Problems) -> None:
    del image
    find_png_blocks(data, blocks, problems)


def _tiff(image: Image.Image, data: bytes, blocks: Blocks, problems: Problems) -> None:
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return
    tags = image.tag_v2
    if any(tag in tags for tag in exif.TAGS) or exif.has_further_fields(data):
        blocks.tiff_tags = tags
    blocks.has_c2pa = _TIFF_C2PA in tags
    # As Pillow's own IPTC reader: Photoshop declares the block as long integers, and the directory
    # would give the first one only.
    raw = tags._tagdata
    if _TIFF_XMP in raw:
        blocks.add_xmp(raw[_TIFF_XMP], problems)
    if _TIFF_IPTC in raw:
        blocks.add_iptc(raw[_TIFF_IPTC], problems)
    if _TIFF_PHOTOSHOP in raw:
        blocks.add_photoshop(raw[_TIFF_PHOTOSHOP], problems)


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
        end = _after_sub_blocks(data, position + 2)
        if name == b"XMP DataXMP":
            # The packet is not in sub-blocks; a trailer that counts down leads to its end.
            trailer = data.find(b"\x01\xff\xfe\xfd", position + 14)
            blocks.add_xmp(data[position + 14 : trailer if trailer > 0 else len(data)], problems)
        elif name.startswith(b"C2PA_GIF"):
            blocks.has_c2pa = True
        elif data[position + 1] == 0xFE and ABOUT_RIGHTS.search(comment := _joined(data[position + 2 : end])):
            blocks.texts.append(("comment", "Comment", read_text(comment)))
        position = end
    problems.add(f"more than {MOST_BLOCKS:,} blocks; the first are looked at for metadata")


def _after_sub_blocks(data: bytes, position: int) -> int:
    # Pixels fill their sub-blocks, all but the last: a run of full ones is skipped at once.
    while data[position : position + 1] == b"\xff":
        lengths = data[position : position + 2**20 : 256]
        position += 256 * (len(lengths) - len(lengths.lstrip(b"\xff")))
    while position < len(data) and data[position]:
        position += 1 + data[position]
    return position + 1


def _joined(sub_blocks: bytes) -> bytes:
    joined, position = bytearray(), 0
    while position < len(sub_blocks) and sub_blocks[position]:
        joined += sub_blocks[position + 1 : position + 1 + sub_blocks[position]]
        position += 1 + sub_blocks[position]
    return bytes(joined)


def _webp(image: Image.Image, data: bytes, blocks: Blocks, problems: Problems) -> None:
    del image
    position = 12
    for _ in range(MOST_BLOCKS):
        if position + 8 > len(data):
            return
        kind = data[position : position + 4]
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        body = data[position + 8 : position + 8 + length] if kind in (b"XMP ", b"EXIF") else b""
        if kind == b"XMP ":
            blocks.add_xmp(body, problems)
        elif kind == b"EXIF":
            blocks.add_exif(body, problems)
        elif kind == b"C2PA":
            blocks.has_c2pa = True
        position += 8 + length + (length & 1)
    problems.add(f"more than {MOST_BLOCKS:,} chunks; the first are looked at for metadata")


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
    for add, block in ((blocks.add_xmp, image.info.get("xmp")), (blocks.add_exif, image.info.get("exif"))):
        if block:
            add(block.encode("utf-8", "replace") if isinstance(block, str) else bytes(block), problems)
    for kind, start, end in _boxes(data):
        if kind == b"uuid":
            identifier, content = data[start : start + 16], start + 16
            if identifier == _C2PA_UUID:
                blocks.has_c2pa = True
            elif identifier == _XMP_UUID:
                blocks.add_xmp(data[content:end], problems)
            elif identifier == _IPTC_UUID:
                blocks.add_iptc(data[content:end], problems)
            elif identifier == _EXIF_UUID:
                blocks.add_exif(data[content:end], problems)


def _jpeg_xl(image: Image.Image, data: bytes, blocks: Blocks, problems: Problems) -> None:
    _iso_media(image, data, blocks, problems)
    if not data.startswith(_JXL_CONTAINER):
        return
    for kind, start, end in _boxes(data):
        if kind == _PACKED_BOX:
            _add_box(data[start : start + 4], _unpacked(data[start + 4 : end], problems), blocks, problems)
        elif kind in (b"xml ", b"Exif", b"jumb"):
            _add_box(kind, data[start:end], blocks, problems)


def _add_box(kind: bytes, body: bytes, blocks: Blocks, problems: Problems) -> None:
    if kind == b"xml ":
        blocks.add_xmp(body, problems)
    elif kind == b"Exif":
        # Four bytes say where TIFF's header is; some programs leave them out.
        is_bare = body[:4] in (b"II*\0", b"MM\0*")
        blocks.add_exif(body if is_bare else body[4 + int.from_bytes(body[:4], "big") :], problems)
    elif kind == b"jumb" and b"c2pa" in body:
        blocks.has_c2pa = True


def _unpacked(packed: bytes, problems: Problems) -> bytes:
    """A box compressed by Brotli, up to one byte more than is read."""
    import pyarrow as pa

    try:
        with pa.CompressedInputStream(pa.BufferReader(packed), "brotli") as stream:
            return bytes(stream.read(LARGEST_PACKET + 1))
    except (pa.ArrowException, OSError) as error:
        problems.add_error("a compressed box of metadata cannot be unpacked", error)
        return b""


_Walk = Callable[[Any, bytes, Blocks, Problems], None]
_WALKS: dict[str, _Walk] = {
    "JPEG": _jpeg,
    "MPO": _jpeg,
    "PNG": _png,
    "TIFF": _tiff,
    "GIF": _gif,
    "WEBP": _webp,
    "AVIF": _iso_media,
    "JPEG2000": _iso_media,
    "HEIF": _iso_media,
    "JXL": _jpeg_xl,
}
