"""The members of a ZIP: its directory read in pieces, each member checked against its header.

A ZIP describes every member twice, in the directory at its end and in a header before the member's
bytes, and programs differ in which they use. A member with two different descriptions is refused,
so that every program shows what was registered.

Layout: PKWARE APPNOTE.TXT 6.3.10, sections 4.3 to 4.5.
"""

from __future__ import annotations

import bz2
import os
import stat
import struct
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from registry.ingest.archives.limits import DamageError, Limits
from registry.ingest.archives.member_names import MemberName, extra_fields, unicode_path, zip_name
from registry.ingest.archives.sources import read_at
from registry.messages import plain_reason

_END = struct.Struct("<4sHHHHIIH")
_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_ENTRY = struct.Struct("<4sHHHHHHIIIHHHHHII")
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_WIDE = 0xFFFFFFFF
_CHUNK = 2**20
_LONGEST_COMMENT = 0xFFFF
_STORED, _DEFLATED, _BZIP2 = 0, 8, 12
_UNIX = 3
_ZIP64 = 1
_ENCRYPTED = 0x2041
"""Bits for an encrypted member, strong encryption, and a masked header."""
_SIZES_FOLLOW = 0x8
_METHODS = {9: "Deflate64", 14: "LZMA", 93: "Zstandard", 95: "xz", 98: "PPMd", 99: "AES encryption"}


class ZipEntry(NamedTuple):
    """One member, as the directory describes it."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    mode: int
    """Unix file mode; 0 if it was not written on Unix."""
    extra: bytes
    """The extra fields."""

    @property
    def stated_name(self) -> MemberName:
        """The name as text."""
        return zip_name(self.name, self.flags, self.extra)

    @property
    def is_folder(self) -> bool:
        """Whether the name ends in a slash, or a Windows program's backslash, and has no bytes."""
        return not self.size and self.name.endswith((b"/", b"\\"))

    @property
    def is_encrypted(self) -> bool:
        """Whether a password is needed to read it."""
        return bool(self.flags & _ENCRYPTED) or self.method == 99

    @property
    def fault(self) -> str | None:
        """The reason to refuse it, by the directory; None for none."""
        if stat.S_ISLNK(self.mode):
            return "a symbolic link, which is not followed"
        if stat.S_IFMT(self.mode) not in (0, stat.S_IFREG):
            return "a device, pipe or other special file"
        if self.is_encrypted:
            return "encrypted; unpack it with its password first"
        return None


class ZipDirectory:
    """The directory of a ZIP file, read in pieces.

    Raises:
        DamageError: it is missing, not where the end says, or lists more members than allowed.
    """

    def __init__(self, descriptor: int, limits: Limits) -> None:
        self._descriptor = descriptor
        self._limits = limits
        self.count, self._size, self._start = _find_directory(descriptor)
        if self.count > limits.members:
            raise DamageError(f"{self.count:,} members, at most {limits.members:,} are taken; split the archive")
        if self._size < self.count * _ENTRY.size:
            raise DamageError("damaged: its directory is too small for the members that it should list")
        self._starts = array("Q", [0]) * self.count
        self.readable = 0
        """Number of members that are neither folders nor encrypted."""
        self._encrypted = 0
        self._survey()

    @property
    def all_encrypted(self) -> bool:
        return self._encrypted > 0 and self.readable == 0

    def entries(self) -> Iterator[ZipEntry]:
        """Each member, in the order of the directory."""
        place, end = self._start, self._start + self._size
        buffer, base = b"", place
        for _ in range(self.count):
            # An entry has at most three fields of 64 KiB behind its fixed part.
            if place - base + _ENTRY.size + 3 * 0xFFFF > len(buffer) and base + len(buffer) < end:
                buffer, base = read_at(self._descriptor, min(_CHUNK, end - place), place), place
            entry, length = _parse_entry(buffer, place - base)
            yield entry
            place += length
        if place != end:
            raise DamageError("damaged: its directory is longer than the members that it counts")

    def read(self, entry: ZipEntry) -> bytes | str:
        """A member's bytes, or why they are refused."""
        if fault := self._size_fault(entry):
            return fault
        local = read_at(self._descriptor, _LOCAL.size + len(entry.name), entry.offset)
        if fault := _local_fault(local, entry):
            return fault
        *_, name_length, extra_length = _LOCAL.unpack_from(local)
        start = entry.offset + _LOCAL.size + name_length + extra_length
        if (stated := unicode_path(entry.extra)) is not None:
            own = unicode_path(read_at(self._descriptor, extra_length, start - extra_length))
            if own not in (None, stated):
                return "its own header has another Unicode name than the archive's directory"
        if start + entry.packed > self._following(entry.offset):
            return "its bytes overlap those of another member: a decompression bomb, or damage"
        packed = read_at(self._descriptor, entry.packed, start)
        data = _unpacked(packed, entry)
        if isinstance(data, bytes) and zlib.crc32(data) != entry.crc:
            return "damaged: its checksum is not the one that the archive states"
        return data

    def _survey(self) -> None:
        for number, entry in enumerate(self.entries()):
            self._starts[number] = entry.offset
            self._encrypted += entry.is_encrypted
            self.readable += not entry.is_folder and not entry.is_encrypted
        if self.count:
            np.frombuffer(self._starts, dtype=np.uint64).sort()

    def _following(self, offset: int) -> int:
        """The offset by which the bytes of the member at ``offset`` must have ended."""
        after = bisect_right(self._starts, offset)
        if after - bisect_left(self._starts, offset) > 1:
            return offset
        return self._starts[after] if after < self.count else self._start

    def _size_fault(self, entry: ZipEntry) -> str | None:
        if entry.method not in (_STORED, _DEFLATED, _BZIP2):
            method = _METHODS.get(entry.method, f"method {entry.method}")
            return f"compressed by {method}; only stored, deflated and bzip2 members are read"
        if max(entry.size, entry.packed) > self._limits.member_bytes:
            return f"{max(entry.size, entry.packed):,} bytes, at most {self._limits.member_bytes:,} are taken"
        if entry.size > self._limits.free_member_bytes and entry.size > self._limits.expansion * entry.packed:
            return f"{entry.packed:,} bytes unpack to {entry.size:,}, more than a picture can: a decompression bomb"
        return None


def _find_directory(descriptor: int) -> tuple[int, int, int]:
    """Members, size and start of the directory."""
    file_size = os.fstat(descriptor).st_size
    tail_start = max(0, file_size - _END.size - _LONGEST_COMMENT)
    tail = read_at(descriptor, file_size - tail_start, tail_start)
    place = tail.rfind(b"PK\5\6")
    while place >= 0:
        # A comment may hold the same four bytes; only the true end reaches the end of the file.
        if place + _END.size <= len(tail) and place + _END.size + _END.unpack_from(tail, place)[7] == len(tail):
            break
        place = tail.rfind(b"PK\5\6", 0, place)
    else:
        raise DamageError("cut off: the directory at the end of a ZIP file is missing, or other bytes follow it")
    _, disk, first_disk, here, count, size, start, _ = _END.unpack_from(tail, place)
    end = tail_start + place
    locator = read_at(descriptor, _LOCATOR.size, end - _LOCATOR.size) if end >= _LOCATOR.size else b""
    if locator.startswith(b"PK\6\7"):
        end = _LOCATOR.unpack(locator)[2]
        record = read_at(descriptor, _END64.size, end) if end < file_size else b""
        if len(record) < _END64.size or not record.startswith(b"PK\6\6"):
            raise DamageError("damaged: its directory is not where its end says")
        narrow = ((disk, 0xFFFF), (first_disk, 0xFFFF), (here, 0xFFFF), (count, 0xFFFF), (size, _WIDE), (start, _WIDE))
        wide = _END64.unpack(record)[4:]
        if any(value not in (most, other) for (value, most), other in zip(narrow, wide, strict=True)):
            raise DamageError("damaged: it states two different sizes of its directory")
        disk, first_disk, here, count, size, start = wide
    if disk or first_disk or here != count:
        raise DamageError("one part of an archive in several files; join them first")
    if start + size != end:
        raise DamageError("damaged: its directory does not end where its end begins")
    return count, size, start


def _parse_entry(buffer: bytes, place: int) -> tuple[ZipEntry, int]:
    if len(buffer) - place < _ENTRY.size or buffer[place : place + 4] != b"PK\1\2":
        raise DamageError("damaged directory: no member where one should be listed")
    fields = _ENTRY.unpack_from(buffer, place)
    _, made_by, _, flags, method, _, _, crc, packed, size = fields[:10]
    name_length, extra_length, comment_length, disk, _, attributes, offset = fields[10:]
    name_end = place + _ENTRY.size + name_length
    length = _ENTRY.size + name_length + extra_length + comment_length
    if place + length > len(buffer):
        raise DamageError("damaged directory: it ends inside a member's entry")
    extra = buffer[name_end : name_end + extra_length]
    if _WIDE in (size, packed, offset):
        wide = _wide_values(extra)
        size, packed, offset = (next(wide, _WIDE) if value == _WIDE else value for value in (size, packed, offset))
    if disk not in (0, 0xFFFF):
        raise DamageError("one part of an archive in several files; join them first")
    mode = attributes >> 16 if made_by >> 8 == _UNIX else 0
    name = buffer[place + _ENTRY.size : name_end]
    return ZipEntry(name, flags, method, crc, packed, size, offset, mode, extra), length


def _wide_values(extra: bytes) -> Iterator[int]:
    """The 64-bit numbers of the zip64 field, in the order of the fields that are too narrow."""
    field = next((content for kind, content in extra_fields(extra) if kind == _ZIP64), b"")
    for (number,) in struct.iter_unpack("<Q", field[: len(field) // 8 * 8]):
        yield number


def _local_fault(local: bytes, entry: ZipEntry) -> str | None:
    """How the header before the member's bytes contradicts the directory; None if it does not."""
    if len(local) < _LOCAL.size or not local.startswith(b"PK\3\4"):
        return "damaged: no member where the directory says"
    _, _, flags, method, _, _, crc, packed, size, name_length, _ = _LOCAL.unpack_from(local)
    if name_length != len(entry.name) or local[_LOCAL.size :] != entry.name:
        return "its own header has another name than the archive's directory"
    if method != entry.method or (flags ^ entry.flags) & _ENCRYPTED:
        return "its own header gives another compression or encryption than the archive's directory"
    stated = ((crc, entry.crc), (packed, entry.packed), (size, entry.size))
    if not flags & _SIZES_FOLLOW and any(own not in (other, _WIDE) for own, other in stated):
        return "its own header gives another size or checksum than the archive's directory"
    return None


def _unpacked(packed: bytes, entry: ZipEntry) -> bytes | str:
    if len(packed) < entry.packed:
        return "cut off: the file ends inside it"
    if entry.method == _STORED:
        return packed if entry.size == entry.packed else "damaged: stored, but with two different sizes"
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS) if entry.method == _DEFLATED else bz2.BZ2Decompressor()
    try:
        # One byte more than stated reveals a wrong size without unpacking the rest.
        data = unpacker.decompress(packed, entry.size + 1)
    except (zlib.error, OSError, ValueError, EOFError) as error:
        return f"damaged compressed data: {plain_reason(error)}"
    if len(data) > entry.size:
        return f"unpacks to more than the {entry.size:,} bytes that it states"
    if not unpacker.eof or unpacker.unused_data or len(data) < entry.size:
        return "damaged compressed data: it does not end where the archive says"
    return data
