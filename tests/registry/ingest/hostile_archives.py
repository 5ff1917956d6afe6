"""Archives made byte by byte, so that they can say what no honest program would write."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

GOOD = {"cats/1.jpg": b"first" * 50, "cats/2.jpg": b"second" * 70, "dogs/3.png": b"third" * 90}
Files = Iterable[tuple[tarfile.TarInfo | str, bytes]]


def tar_of(files: Files, kind: Literal[0, 1, 2] = tarfile.PAX_FORMAT, end: bool = True) -> bytes:
    """A TAR of named or ready-made members; without its ``end`` others can be put behind it."""
    out = io.BytesIO()
    for entry, data in files:
        info = tarfile.TarInfo(entry) if isinstance(entry, str) else entry
        info.size = info.size or len(data)
        out.write(info.tobuf(kind, "utf-8", "surrogateescape") + data + bytes(-len(data) % 512))
    return out.getvalue() + bytes(1024 if end else 0)


def tar_member(name: str, kind: bytes, size: int = 0, target: str = "") -> tarfile.TarInfo:
    """The header of a member of any kind."""
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, target
    return info


def zip_of(files: Iterable[tuple[zipfile.ZipInfo | str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    """A ZIP as Python writes it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for entry, data in files:
            archive.writestr(entry, data)
    return out.getvalue()


@dataclass(frozen=True)
class RawMember:
    """What is written for one member of a ZIP, in its own header and in the directory."""

    name: bytes
    packed: bytes = b""
    size: int = 0
    crc: int = 0
    method: int = 0
    flags: int = 0x800
    local_name: bytes | None = None
    local_size: int | None = None
    mode: int = 0
    offset: int | None = None
    """Where the directory says that it is, if not where it is."""
    extra: bytes = b""
    local_extra: bytes = b""


def stored(name: str | bytes, data: bytes) -> RawMember:
    """An honest member."""
    raw = name if isinstance(name, bytes) else name.encode()
    return RawMember(raw, data, len(data), zlib.crc32(data))


def deflated(name: str, data: bytes) -> RawMember:
    """An honest compressed member."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return replace(stored(name, data), packed=packer.compress(data) + packer.flush(), method=8)


def raw_zip(members: Iterable[RawMember], count: int | None = None) -> bytes:
    """A ZIP that says exactly what it is told to; ``count`` is the number of members that it
    claims.
    """
    out, directory, number = b"", b"", 0
    for member in members:
        place = len(out) if member.offset is None else member.offset
        name = member.name if member.local_name is None else member.local_name
        size = member.size if member.local_size is None else member.local_size
        head = (20, member.flags, member.method, 0, 0, member.crc, len(member.packed))
        out += struct.pack("<4sHHHHHIIIHH", b"PK\3\4", *head, size, len(name), len(member.local_extra)) + name
        out += member.local_extra + member.packed
        fields = (len(member.name), len(member.extra), 0, 0, 0, member.mode << 16, place)
        directory += struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 3 << 8, *head, member.size, *fields) + member.name
        directory += member.extra
        number += 1
    number = number if count is None else count
    return out + directory + zip_end(number, len(directory), len(out))


def zip_end(count: int, size: int, start: int) -> bytes:
    """The end of a ZIP, in 64 bits where it must be."""
    end = b""
    if count > 0xFFFE:
        end = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start)
        end += struct.pack("<4sIQI", b"PK\6\7", 0, start + size, 1)
    narrow = min(count, 0xFFFF)
    return end + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, narrow, narrow, size, start, 0)
