"""The bytes of an archive file, unpacked if compressed: bounded, forward only.

The decompressors are called directly, because the file classes of ``gzip``, ``bz2`` and ``lzma``
limit neither the memory that a header asks for nor the bytes after the compressed data.
"""

from __future__ import annotations

import bz2
import lzma
import os
import stat
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from registry.errors import InputError
from registry.ingest.archives.limits import DamageError, Limits
from registry.messages import plain_reason

_CHUNK = 2**18
_FARTHEST = 2**62
_XZ_MEMORY = 2**28
"""Enough for files of ``xz -9`` and ``xz -9e`` (65 MiB)."""


class Source(Protocol):
    """Bytes that are read forward."""

    position: int

    def read(self, size: int) -> bytes:
        """The next bytes; fewer only at the end."""

    def advance(self, position: int) -> bool:
        """Go forward to a position; False if the source ends before it."""


def open_regular(path: Path) -> int:
    """A descriptor of an archive file.

    Raises:
        InputError: it cannot be opened, or is a folder, pipe or device.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the archive {path}: {getattr(error, 'strerror', None) or error}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError(f"cannot read the archive {path}: not a regular file")
    return descriptor


def read_at(descriptor: int, size: int, offset: int) -> bytes:
    """Bytes of a file, fewer only at its end.

    Raises:
        DamageError: the disk cannot read them.
    """
    if offset > _FARTHEST:
        return b""
    try:
        data = os.pread(descriptor, size, offset)
        while len(data) < size and (more := os.pread(descriptor, size - len(data), offset + len(data))):
            data += more
    except OSError as error:
        raise DamageError(f"cannot be read at byte {offset:,}: {error.strerror or error}") from error
    return data


class FileSource:
    """An uncompressed file: bytes that are passed over are not read."""

    def __init__(self, descriptor: int) -> None:
        self.position = 0
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size

    def read(self, size: int) -> bytes:
        data = read_at(self._descriptor, max(0, min(size, self._size - self.position)), self.position)
        self.position += len(data)
        return data

    def advance(self, position: int) -> bool:
        self.position = max(self.position, min(position, self._size))
        return position <= self._size


class UnpackedSource:
    """A compressed file, unpacked up to the archive's budget; bytes that are passed over count."""

    def __init__(self, chunks: Callable[[int], bytes], budget: int) -> None:
        self.position = 0
        self._chunks = chunks
        self._budget = budget

    def read(self, size: int) -> bytes:
        pieces: list[bytes] = []
        missing = size
        while missing and (piece := self._next(missing)):
            pieces.append(piece)
            missing -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def advance(self, position: int) -> bool:
        while self.position < position and self._next(position - self.position):
            pass
        return self.position >= position

    def _next(self, most: int) -> bytes:
        piece = self._chunks(min(most, _CHUNK))
        self.position += len(piece)
        if self.position > self._budget:
            raise DamageError(
                f"unpacks to more than {self._budget:,} bytes, which is more than pictures can: a decompression bomb"
            )
        return piece


def unpack(descriptor: int, limits: Limits) -> UnpackedSource | None:
    """The unpacked bytes of a gzip, bzip2, xz or Zstandard file; None for any other file."""
    magic = read_at(descriptor, 6, 0)
    budget = limits.unpacked(os.fstat(descriptor).st_size)
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        return UnpackedSource(_zstandard(descriptor), budget)
    return next(
        (UnpackedSource(_Frames(descriptor, make), budget) for key, make in _MAKERS if magic.startswith(key)), None
    )


class _Zlib:
    """A gzip decompressor with the interface of bz2's and lzma's, which keep unused input."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)
        self._waiting = b""

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._waiting

    def decompress(self, data: bytes, max_length: int) -> bytes:
        unpacked = self._inner.decompress(self._waiting + data, max_length)
        self._waiting = self._inner.unconsumed_tail
        return unpacked


class _Frames:
    """Unpacks one compressed stream after another, as ``cat a.gz b.gz`` makes them."""

    def __init__(self, descriptor: int, make: Callable[[], Any]) -> None:
        self._descriptor = descriptor
        self._offset = 0
        self._make = make
        self._inner = make()
        self._between = b""

    def __call__(self, most: int) -> bytes:
        try:
            while True:
                if self._inner.eof and not self._next_frame():
                    return b""
                data, self._between = self._between, b""
                if not data and self._inner.needs_input:
                    data = self._more()
                    ended = not data
                else:
                    ended = False
                if piece := self._inner.decompress(data, most):
                    return bytes(piece)
                if ended and not self._inner.eof:
                    raise DamageError("cut off: its compressed data does not end")
        except (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError, MemoryError) as error:
            raise DamageError(f"damaged compressed data: {plain_reason(error)}") from error

    def _more(self) -> bytes:
        data = read_at(self._descriptor, _CHUNK, self._offset)
        self._offset += len(data)
        return data

    def _next_frame(self) -> bool:
        rest = self._inner.unused_data.lstrip(b"\0")
        while not rest:
            data = self._more()
            if not data:
                self._inner = _Ended()
                return False
            rest = data.lstrip(b"\0")
        if len(rest) < _LONGEST_MAGIC:
            rest += self._more()
        if not any(rest.startswith(key) for key, make in _MAKERS if make is self._make):
            raise DamageError("other bytes follow the end of its compressed data; they were not read")
        self._inner, self._between = self._make(), rest
        return True


class _Ended:
    """In place of a decompressor at the end of the file."""

    eof = True
    unused_data = b""


def _xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


_MAKERS: tuple[tuple[bytes, Callable[[], Any]], ...] = (
    (b"\x1f\x8b", _Zlib),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\x00", _xz),
)
_LONGEST_MAGIC = 6


def _zstandard(descriptor: int) -> Callable[[int], bytes]:
    import pyarrow as pa

    # A descriptor of its own, because pyarrow closes its file.
    file = os.fdopen(os.dup(descriptor), "rb")
    file.seek(0)
    stream = pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")

    def chunk(most: int) -> bytes:
        try:
            return bytes(stream.read(most))
        except (OSError, ValueError, pa.ArrowException, MemoryError) as error:
            raise DamageError(f"damaged compressed data: {plain_reason(error)}") from error

    return chunk
