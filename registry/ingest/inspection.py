"""What one file is: hash, size, type and dimensions, or the reason why it is no work of the registry.

Nothing about a file is believed before it is checked, and nothing large is decoded: dimensions come from the header and
are limited before anything else is read. A picture that moves is refused, because a member would train on some frame of
it that nobody chose; colour models of every kind are taken and recorded.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from registry.ingest.structure import FAULT_FINDERS, TRUNCATED

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM")
"""Pillow's names of what is taken. MPO, the JPEG of phones with further pictures behind the first, counts as JPEG."""
LARGEST_FILE = 2**30
LARGEST_SIDE = 16_384
LARGEST_AREA = 178_956_970
"""Pixels; the size from which Pillow itself speaks of a decompression bomb."""

_MEDIA_TYPES = {"MPO": "image/jpeg", "PPM": "image/x-portable-anymap"}


@dataclass(frozen=True)
class Task:
    """A file to inspect. One that still has the ``known_sha256`` needs no second look."""

    path: str
    """Relative to the folder."""
    known_sha256: str | None = None


@dataclass(frozen=True)
class Work:
    """A file that is an image."""

    path: str
    sha256: str
    byte_size: int
    media_type: str
    width: int
    height: int
    pixel_mode: str


@dataclass(frozen=True)
class KnownWork:
    """A file that has the content with which it was registered."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Refusal:
    """A file that is no work, and why."""

    path: str
    reason: str


Result = Work | KnownWork | Refusal


def inspect_file(root: Path, task: Task, decode: bool = False) -> Result:
    """Hash a file and find out what it is.

    Args:
        root: the folder.
        task: the file.
        decode: decode every image completely, which also finds damage inside a JPEG's or WebP's pixels.
    """
    try:
        data = read_regular_file(root / task.path)
    except OSError as error:
        return Refusal(task.path, f"cannot be read: {error.strerror or error}")
    if isinstance(data, str):
        return Refusal(task.path, data)
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 == task.known_sha256 and not decode:
        return KnownWork(task.path, sha256)
    # Pillow fails in as many ways as there are kinds of damage (OSError, SyntaxError, ValueError, struct.error, …), and
    # warns of things that are no reason to refuse: whatever a hostile file makes it raise is a reason, never a crash.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _inspect_image(task.path, sha256, data, decode=decode)
    except UnidentifiedImageError:
        return Refusal(task.path, f"not an image, or none of {', '.join(FORMATS)}")
    except Image.DecompressionBombError:
        return Refusal(task.path, f"decompression bomb: more than {LARGEST_AREA:,} pixels")
    except Exception as error:
        if "truncated" in str(error):
            return Refusal(task.path, TRUNCATED)
        return Refusal(task.path, f"damaged image: {' '.join(str(error).split())[:200] or type(error).__name__}")


def read_regular_file(path: Path) -> bytes | str:
    """The file's bytes, or the reason why not.

    What stood there when the folder was listed may have been exchanged for a link or a pipe since: neither is followed.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return "not a regular file"
        if found.st_size == 0:
            return "empty file (0 bytes)"
        if found.st_size > LARGEST_FILE:
            return f"{found.st_size:,} bytes, at most {LARGEST_FILE:,} are taken"
        return file.read(found.st_size)


def readable_formats() -> list[str]:
    """Those of :data:`FORMATS` that this Pillow can read; no other decoder is ever tried on a file from outside."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _inspect_image(path: str, sha256: str, data: bytes, *, decode: bool) -> Work | Refusal:
    with Image.open(io.BytesIO(data), formats=readable_formats()) as image:
        name = str(image.format)
        if max(image.size) > LARGEST_SIDE:
            return Refusal(path, f"{image.width} x {image.height} pixels, at most {LARGEST_SIDE} a side are taken")
        find_fault = FAULT_FINDERS.get(name)
        if find_fault and (fault := find_fault(data)):
            return Refusal(path, fault)
        if name != "MPO" and getattr(image, "is_animated", False):
            return Refusal(path, "animated image or one of several pages; register a still of it")
        work = Work(
            path=path,
            sha256=sha256,
            byte_size=len(data),
            media_type=_MEDIA_TYPES.get(name) or Image.MIME[name],
            width=image.width,
            height=image.height,
            pixel_mode=image.mode,
        )
        if decode or not find_fault:
            image.load()
    return work
