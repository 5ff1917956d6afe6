"""Inspecting one file: hash, size, type and dimensions, or the reason why it is refused.

Dimensions come from the header and are limited before anything is decoded. Animated images are
refused, because training would use an arbitrary frame. Every colour model is taken and recorded.
"""

from __future__ import annotations

import hashlib
import os
import stat
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from registry.image_files.decoding import pixel_fault
from registry.image_files.opening import (
    LARGEST_AREA,
    LARGEST_SIDE,
    MissingReaderError,
    open_image,
    why_unidentified,
)
from registry.image_files.structure import FAULT_FINDERS, TRUNCATED
from registry.messages import plain_reason
from registry.metadata import NOTHING, EmbeddedMetadata, read_embedded

LARGEST_FILE = 2**30

_MEDIA_TYPES = {"MPO": "image/jpeg", "PPM": "image/x-portable-anymap"}


@dataclass(frozen=True, slots=True)
class Task:
    """A file to inspect. If it still has the ``known_sha256``, it is not decoded again."""

    path: str
    """Relative to the folder."""
    known_sha256: str | None = None
    credentials: bool = True
    """Whether to read its content credentials, with a native library that might end the process."""
    size: int = 0
    """Bytes, if known: an estimate of the work."""


@dataclass(frozen=True, slots=True)
class Work:
    """A file that is an image."""

    path: str
    sha256: str
    byte_size: int
    media_type: str
    width: int
    height: int
    pixel_mode: str
    embedded: EmbeddedMetadata | None = None
    facts: Mapping[str, Any] | None = None
    """Facts about it in its shard or archive."""


@dataclass(frozen=True, slots=True)
class KnownWork:
    """A file that has the content with which it was registered."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that is refused, and why."""

    path: str
    reason: str


Result = Work | KnownWork | Refusal


def inspect_file(root: Path | str, task: Task, decode: bool = False) -> Result:
    """Hash and inspect a file of the folder ``root``.

    ``decode`` decodes every image completely, to find damage inside its pixels; see
    :mod:`registry.image_files.decoding`.
    """
    try:
        data = read_regular_file(f"{root}/{task.path}")
    except (OSError, ValueError) as error:
        return Refusal(task.path, f"cannot be read: {getattr(error, 'strerror', None) or error}")
    if isinstance(data, str):
        return Refusal(task.path, data)
    return inspect_bytes(task, data, decode)


def inspect_bytes(task: Task, data: bytes, decode: bool = False, facts: Mapping[str, Any] | None = None) -> Result:
    """:func:`inspect_file` for a file's bytes; ``facts`` are passed on to the result."""
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 == task.known_sha256 and not decode:
        return KnownWork(task.path, sha256)
    # Pillow raises many kinds of errors for damage (OSError, SyntaxError, ValueError,
    # struct.error): each is a reason to refuse the file, never a crash. Its warnings are not.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _inspect_image(task, sha256, data, decode, facts)
    except MissingReaderError as error:
        return Refusal(task.path, str(error))
    except UnidentifiedImageError:
        return Refusal(task.path, why_unidentified(data))
    except Image.DecompressionBombError:
        return Refusal(task.path, f"decompression bomb: more than {LARGEST_AREA:,} pixels")
    except Exception as error:
        if "truncated" in str(error):
            return Refusal(task.path, TRUNCATED)
        return Refusal(task.path, f"damaged image: {plain_reason(error)}")


def read_regular_file(path: Path | str) -> bytes | str:
    """The file's bytes, or the reason why not; a link or pipe put in its place is not followed."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return "not a regular file"
        size = found.st_size
        if size == 0:
            return "empty file (0 bytes)"
        if size > LARGEST_FILE:
            return f"{size:,} bytes, at most {LARGEST_FILE:,} are taken"
        data = os.read(descriptor, size)
        while len(data) < size and (more := os.read(descriptor, size - len(data))):
            data += more
        return data or "empty file (0 bytes)"
    finally:
        os.close(descriptor)


def _inspect_image(
    task: Task, sha256: str, data: bytes, decode: bool, facts: Mapping[str, Any] | None
) -> Work | Refusal:
    path = task.path
    with open_image(data) as image:
        name = str(image.format)
        width, height = image.size
        if max(width, height) > LARGEST_SIDE:
            return Refusal(path, f"{width} x {height} pixels, at most {LARGEST_SIDE} a side are taken")
        find_fault = FAULT_FINDERS.get(name)
        if find_fault and (fault := find_fault(data)):
            return Refusal(path, fault)
        if name != "MPO" and getattr(image, "is_animated", False):
            return Refusal(path, "animated image or one of several pages; register a still of it")
        # Before decoding, after which Pillow may have released the blocks.
        embedded = read_embedded(image, data, credentials=task.credentials)
        mode = image.mode
        if decode and (fault := pixel_fault(image, data)):
            return Refusal(path, fault)
        if not find_fault:
            image.load()
    return Work(
        path=path,
        sha256=sha256,
        byte_size=len(data),
        media_type=_MEDIA_TYPES.get(name) or getattr(image, "custom_mimetype", None) or Image.MIME[name],
        width=width,
        height=height,
        pixel_mode=mode,
        embedded=None if embedded is NOTHING or embedded.is_empty else embedded,
        facts=facts,
    )
