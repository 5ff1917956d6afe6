"""Whether the pixels of an image decode without damage.

Pillow raises errors of its decoders and drops libjpeg's warnings: it fills what is missing in a
damaged photograph with grey. simplejpeg decodes with the same libjpeg-turbo, and stops at a
warning. A warning about a header that leaves the pixels alone refuses no file.

Damage can also yield other valid data; then no decoder notices. docs/registry.md has the shares
found.
"""

from __future__ import annotations

import re
import zlib

from PIL import Image, TiffImagePlugin

_DAMAGE = re.compile(r"Corrupt JPEG data(?!: bad ICC)|Premature end of JPEG|Inconsistent progression")
"""libjpeg's warnings about compressed data. Others are about headers, such as an unknown revision
of JFIF."""
_PADDING = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
_END = b"\xff\xd9"
_COMPRESSION, _DEFLATE = 259, (8, 32946)
_PLACES = ((273, 279), (324, 325))
"""TIFF tags of the offsets and lengths of strips and of tiles."""
_PIECE = 2**20


def pixel_fault(image: Image.Image, data: bytes) -> str | None:
    """Decode an opened image completely; the reason to refuse it, or None.

    Raises:
        Exception: any of Pillow's about damage.
    """
    strips = _deflated_strips(image)
    image.load()
    if any(not _is_whole(data[start : start + length]) for start, length in strips):
        return "damaged image: the checksum of its compressed data is wrong"
    return _fault_of_jpeg(data) if image.format in ("JPEG", "MPO") else None


def _deflated_strips(image: Image.Image) -> list[tuple[int, int]]:
    """Start and length of a TIFF's compressed parts that have checksums.

    libtiff prints that a checksum is wrong, and goes on.
    """
    if not isinstance(image, TiffImagePlugin.TiffImageFile) or image.tag_v2.get(_COMPRESSION) not in _DEFLATE:
        return []
    return [
        (int(start), int(length))
        for starts, lengths in _PLACES
        for start, length in zip(image.tag_v2.get(starts, ()), image.tag_v2.get(lengths, ()), strict=False)
    ]


def _is_whole(compressed: bytes) -> bool:
    unpacker = zlib.decompressobj()
    try:
        while not unpacker.eof and compressed:
            unpacker.decompress(compressed, _PIECE)
            compressed = unpacker.unconsumed_tail
    except zlib.error:
        return False
    return unpacker.eof


def _fault_of_jpeg(data: bytes) -> str | None:
    import simplejpeg

    try:
        # An eighth of the size, without colours: all compressed data is read all the same.
        simplejpeg.decode_jpeg(data, "GRAY", fastdct=True, min_height=1, min_width=1)
    except ValueError as error:
        warning = str(error)
        # An error about something that simplejpeg does not know is none of the file's.
        if _DAMAGE.search(warning) and not _is_padding(data, warning):
            return f"damaged image: {warning}"
    return None


def _is_padding(data: bytes, warning: str) -> bool:
    """Whether only zeros stand before the end marker, as some cameras write."""
    found = _PADDING.search(warning)
    return found is not None and data[: data.rfind(_END)].endswith(b"\0" * int(found[1]))
