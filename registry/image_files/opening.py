"""Opening images: which formats are taken, with which readers, and under which limits.

HEIC and JPEG XL need an extra each, because few collections have them. Every image from outside is
opened here, so that no other decoder of Pillow is tried on it.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Mapping
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any

from PIL import Image, UnidentifiedImageError

from registry.file_kinds import described
from registry.image_files import jxl_header
from registry.image_files.structure import FAULT_FINDERS, TRUNCATED

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM", "HEIF", "JXL")
"""Accepted formats, by Pillow's names. MPO, a JPEG with further pictures, counts as JPEG."""
LARGEST_SIDE = 16_384
LARGEST_AREA = 178_956_970
"""Pixels; above this Pillow warns of a decompression bomb."""

# Importing all of Pillow's decoders takes longer than reading a hundred photographs.
_DECODERS = (
    *("PngImagePlugin", "JpegImagePlugin", "MpoImagePlugin", "WebPImagePlugin", "GifImagePlugin", "TiffImagePlugin"),
    *("BmpImagePlugin", "AvifImagePlugin", "Jpeg2KImagePlugin", "PpmImagePlugin"),
)
_MARKS: Mapping[bytes, str] = MappingProxyType({b"\xff\xd8\xff": "JPEG", b"\x89PN": "PNG", b"GIF": "GIF"})
_JXL_MARKS = (jxl_header.CODESTREAM, jxl_header.CONTAINER)
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})
_EXTRAS: Mapping[str, tuple[str, str]] = MappingProxyType({"HEIF": ("HEIC", "heif"), "JXL": ("JPEG XL", "jxl")})
_TAKEN = frozenset(
    {
        *("a WebP image", "a BMP image", "a TIFF image or a camera's raw file", "an AVIF image"),
        *("a JPEG 2000 image", "a HEIC image", "a HEIF image", "a JPEG XL image"),
    }
)
_PICTURES = frozenset({"an SVG drawing", "a Photoshop document", "an icon", "a camera's raw file"})


class MissingReaderError(UnidentifiedImageError):
    """The extra that reads a format is not installed; the message says which."""


def open_image(data: bytes) -> Image.Image:
    """Open an image of one of :data:`FORMATS`, without decoding its pixels where that is possible.

    Raises:
        UnidentifiedImageError: it is none; :func:`why_unidentified` says what it is.
        MissingReaderError: its format needs an extra.
        Image.DecompressionBombError: it has more pixels than :data:`LARGEST_AREA` allows.
        Exception: any other of Pillow's, about damage.
    """
    name = _extra_format(data)
    if name is not None and not _reads(name):
        words, extra = _EXTRAS[name]
        raise MissingReaderError(f"{words} needs pip install creditline[{extra}]")
    if name == "JXL":
        header = jxl_header.read_jxl_header(data)
        if header.width * header.height > LARGEST_AREA or max(header.width, header.height) > LARGEST_SIDE:
            raise Image.DecompressionBombError(f"{header.width} x {header.height} pixels")
        if header.is_animated:
            raise ValueError("an animated image, whose frames are not read")
    return Image.open(io.BytesIO(data), formats=[name] if name is not None else _formats_of(data[:3]))


def why_unidentified(data: bytes) -> str:
    """Why a file is not taken for an image: damage at its beginning, or another kind of file."""
    name = next((name for mark, name in _MARKS.items() if data.startswith(mark)), None)
    if name is not None:
        try:
            fault = FAULT_FINDERS[name](data)
        except IndexError:
            fault = TRUNCATED
        return fault or f"damaged image: it begins as {name} does, and its header cannot be read"
    kind = described(data)
    if kind in _TAKEN:
        return f"damaged image: it begins as {kind}, and its header cannot be read"
    if kind in _PICTURES:
        return f"not an image of a format that is taken: {kind}; expected one of {', '.join(FORMATS)}"
    return f"not an image, but {kind}" if kind else f"not an image, or none of {', '.join(FORMATS)}"


def _extra_format(data: bytes) -> str | None:
    """The format that needs an extra, by the file's mark."""
    if data.startswith(_JXL_MARKS):
        return "JXL"
    return "HEIF" if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS else None


@cache
def _reads(name: str) -> bool:
    """Whether the reader of a format is there; loads it, for one thread of each process."""
    try:
        if name == "HEIF":
            importlib.import_module("pillow_heif").register_heif_opener(decode_threads=1, thumbnails=False)
        else:
            plugin: Any = importlib.import_module("pillow_jxl.JpegXLImagePlugin")
            plugin.DECODE_THREADS = 0
    except ImportError:
        return False
    return True


@cache
def _readable_formats() -> list[str]:
    """The :data:`FORMATS` that this Pillow reads by itself."""
    for name in _DECODERS:
        importlib.import_module(f"PIL.{name}")
    return [name for name in FORMATS if name in Image.OPEN and name not in _EXTRAS]


@lru_cache(256)
def _formats_of(start: bytes) -> list[str]:
    """Formats to try for a file with this start: most begin with the mark of their format."""
    likely = next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)
    return [likely] if likely in _readable_formats() else _readable_formats()
