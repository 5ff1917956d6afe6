"""Reads the files named for signing and checking: plain files of a likely size, read whole."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from registry.errors import InputError

LARGEST_PEM = 2**20
"""Bytes: a chain has a few thousand, a list of the world's trust anchors some hundred thousand."""
LARGEST_IMAGE = 256 * 2**20


def read_plain_file(path: Path, what: str, largest: int) -> bytes:
    """The file's bytes. A link is refused: the named file itself is signed, or signed with.

    Raises:
        InputError: the file is missing, a link, a folder, a device or a pipe, empty, or larger than
            ``largest``.
    """
    try:
        descriptor = _open(path)
        try:
            found = os.fstat(descriptor)
            plain = stat.S_ISREG(found.st_mode)
            data = _read(descriptor, largest + 1) if plain and found.st_size <= largest else b""
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ELOOP:
            raise InputError(f"{path} is a symbolic link; name the file of the {what} itself") from error
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read the {what} {path}: {reason}") from error
    if not plain:
        raise InputError(f"{path} is no plain file; expected the {what}")
    if max(found.st_size, len(data)) > largest:
        raise InputError(f"the {what} {path} has more than the {largest:,} bytes that are read at most")
    if not data:
        raise InputError(f"the {what} {path} is empty")
    return data


def start_of(path: Path, size: int) -> bytes:
    """The first bytes of a plain file; empty for an unreadable or other file."""
    try:
        descriptor = _open(path)
        try:
            return _read(descriptor, size) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
        finally:
            os.close(descriptor)
    except (OSError, ValueError):
        return b""


def others_may_read(path: Path) -> bool:
    """Whether other users than its owner may read a file."""
    return os.name == "posix" and bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def _open(path: Path) -> int:
    # Not blocking: opening a pipe without a writer would wait for ever.
    return os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


def _read(descriptor: int, most: int) -> bytes:
    parts, left = [], most
    while left and (part := os.read(descriptor, min(left, 2**24))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
