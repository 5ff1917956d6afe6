"""The dimensions of a JPEG XL file, from the first bits of its codestream.

The Pillow plugin for JPEG XL decodes a file when it opens it. So the limits on pixels are checked
here before.

Source: ISO/IEC 18181-1, 5.2 (SizeHeader) and annex D (ImageMetadata); 18181-2, clause 9 (boxes).
"""

from __future__ import annotations

from dataclasses import dataclass

CODESTREAM = b"\xff\x0a"
CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
_LOOKED_AT = 64
_MOST_BOXES = 1_000
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_SIZES = ((1, 9), (1, 13), (1, 18), (1, 30))
_PREVIEW_EIGHTHS = ((16, 0), (32, 0), (1, 5), (33, 9))
_PREVIEW_SIZES = ((1, 6), (65, 8), (321, 10), (1345, 12))


@dataclass(frozen=True)
class JxlHeader:
    """What a file states before its pixels."""

    width: int
    height: int
    is_animated: bool


class _Bits:
    """Bits of a codestream, the lowest of each byte first; zeros behind its end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "little")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise ValueError("the header of the JPEG XL file is cut short")
        taken = self._value & ((1 << count) - 1)
        self._value >>= count
        return taken

    def choice(self, forms: tuple[tuple[int, int], ...]) -> int:
        """A number in one of four forms: an offset, and bits to add."""
        offset, count = forms[self.take(2)]
        return offset + self.take(count)


def read_jxl_header(data: bytes) -> JxlHeader:
    """The header of a JPEG XL file, bare or in boxes.

    Raises:
        ValueError: it has none, or it is cut short.
    """
    bits = _Bits(_codestream(data)[len(CODESTREAM) : _LOOKED_AT])
    width, height = _size(bits)
    is_animated = False
    if not bits.take(1) and bits.take(1):  # not all by default, and with extra fields
        bits.take(3)  # orientation
        if bits.take(1):
            _size(bits)  # intrinsic size
        if bits.take(1):
            _preview_size(bits)
        is_animated = bool(bits.take(1))
    return JxlHeader(width, height, is_animated)


def _size(bits: _Bits) -> tuple[int, int]:
    eighths = bits.take(1)
    height = 8 * (1 + bits.take(5)) if eighths else bits.choice(_SIZES)
    if ratio := bits.take(3):
        over, under = _RATIOS[ratio]
        return height * over // under, height
    return (8 * (1 + bits.take(5)) if eighths else bits.choice(_SIZES)), height


def _preview_size(bits: _Bits) -> None:
    eighths = bits.take(1)
    forms = _PREVIEW_EIGHTHS if eighths else _PREVIEW_SIZES
    bits.choice(forms)
    if not bits.take(3):
        bits.choice(forms)


def _codestream(data: bytes) -> bytes:
    """The beginning of the codestream."""
    if data.startswith(CODESTREAM):
        return data
    position = 0
    for _ in range(_MOST_BOXES):
        length, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        start = position + 8
        if length == 1:
            length, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        if kind == b"jxlc":
            found = data[start : start + _LOOKED_AT]
        elif kind == b"jxlp":  # a number comes before each part
            found = data[start + 4 : start + 4 + _LOOKED_AT]
        else:
            found = b""
        if found.startswith(CODESTREAM):
            return found
        if not length or position + length >= len(data):
            break
        position += max(length, 8)
    raise ValueError("the JPEG XL file has no codestream")
