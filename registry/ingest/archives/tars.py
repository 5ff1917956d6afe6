"""The members of a TAR, header by header: ustar, GNU and pax; without recursion, keeping none.

Layout: POSIX.1-2017, ``pax`` (ustar and pax interchange formats); GNU tar manual, "Basic Tar
  Format".
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple

from registry.ingest.archives.limits import DamageError, Limits
from registry.ingest.archives.sources import Source

BLOCK = 512
_TRAILING = 2**20
"""Most zeros after the end; writers fill a record with them."""
_KINDS = {
    b"1": "a hard link, which is not followed",
    b"2": "a symbolic link, which is not followed",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a pipe",
    b"S": "a sparse file; pack it without holes (tar without --sparse)",
}
_FILES = (b"0", b"\0", b"7")
_FOLDER = b"5"
_WITHOUT_BYTES = b"123456"
"""Types without bytes: their size is that of a link's target, or means nothing."""


class TarEntry(NamedTuple):
    """One member, and the reason if it is refused."""

    name: bytes
    size: int
    fault: str | None


def is_tar_header(block: bytes) -> bool:
    """Whether a block of 512 bytes is the header of a member, by its checksum."""
    if len(block) != BLOCK or not any(block):
        return False
    try:
        stated = _number(block[148:156])
    except DamageError:
        return False
    # The low half of an Adler-32 is the sum + 1, exactly up to 256 bytes, and 50 times as fast.
    total = (zlib.adler32(block[:256]) & 0xFFFF) + (zlib.adler32(block[256:]) & 0xFFFF) - 2
    unsigned = total - sum(block[148:156]) + 256
    if stated == unsigned:
        return True
    # The tars of old systems, Sun's for one, added the bytes as signed numbers.
    others = block[:148] + block[156:]
    return stated == unsigned - 256 * sum(byte > 0x7F for byte in others)


def walk_tar(source: Source, limits: Limits) -> Iterator[TarEntry]:
    """Every member except folders, in order; when one is given, the source is at its bytes.

    Raises:
        DamageError: the archive is cut off, damaged, or larger than its budgets.
    """
    extended = _Extended()
    headers = 0
    while True:
        start = source.position
        block = source.read(BLOCK)
        if len(block) == BLOCK and not any(block):
            return _check_end(source)
        if len(block) < BLOCK:
            raise DamageError(
                f"cut off: it ends at byte {source.position:,} without the two empty blocks that end a TAR"
            )
        if not is_tar_header(block):
            raise DamageError(f"damaged: no header of a member at byte {start:,}")
        headers += 1
        if headers > 2 * limits.members:
            raise DamageError(f"more than {2 * limits.members:,} headers; split the archive")
        kind, size = block[156:157], _number(block[124:136])
        if kind in b"LKxXg":
            extended.read(source, kind, size, limits)
            continue
        size = extended.size if extended.size is not None else size
        name = extended.name if extended.name is not None else _ustar_name(block)
        folder = kind == _FOLDER or (kind in _FILES and name.endswith(b"/"))
        if kind == b"S":
            _pass_over_map(source, block)
        end = source.position + -(-size // BLOCK) * BLOCK
        if not folder:
            yield TarEntry(name, size, _fault(kind, size, extended, limits))
        if kind not in _WITHOUT_BYTES and not source.advance(end):
            raise DamageError(f"cut off inside its member at byte {start:,}")
        extended = _Extended()


def _fault(kind: bytes, size: int, extended: _Extended, limits: Limits) -> str | None:
    if extended.sparse:
        return _KINDS[b"S"]
    if kind not in _FILES:
        return _KINDS.get(kind, f"a member of the unknown kind {kind!r}")
    if size > limits.member_bytes:
        return f"{size:,} bytes, at most {limits.member_bytes:,} are taken"
    return None


class _Extended:
    """The headers before a member's own: pax attributes and GNU's long names."""

    def __init__(self) -> None:
        self.name: bytes | None = None
        self.size: int | None = None
        self.sparse = False

    def read(self, source: Source, kind: bytes, size: int, limits: Limits) -> None:
        if size > limits.header_bytes:
            raise DamageError(f"an extended header of {size:,} bytes, at most {limits.header_bytes:,} are read")
        end = source.position + -(-size // BLOCK) * BLOCK
        data = source.read(size)
        if len(data) < size or not source.advance(end):
            raise DamageError("cut off inside an extended header")
        if kind == b"L":
            self.name = data.split(b"\0", 1)[0]
        elif kind == b"g":
            # Programs disagree about these for later members, so each could show other content.
            if any(key in (b"path", b"size") or key.startswith(b"GNU.sparse") for key, _ in _pax_records(data)):
                raise DamageError("a global header that renames or resizes all members; pack the archive without it")
        elif kind in b"xX":
            for key, value in _pax_records(data):
                self._take(key, value)

    def _take(self, key: bytes, value: bytes) -> None:
        if key == b"path":
            self.name = value
        elif key == b"size":
            if not value.isdigit() or len(value) > 18:
                raise DamageError("an extended header whose size is not a number")
            self.size = int(value)
        elif key.startswith(b"GNU.sparse"):
            self.sparse = True


def _pax_records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Records ``length SPACE key=value NEWLINE``; the length counts the whole record."""
    place = 0
    while place < len(data) and data[place] != 0:
        space = data.find(b" ", place, place + 9)
        digits = data[place:space]
        if space < 0 or not digits.isdigit():
            raise DamageError("a malformed extended header")
        end = place + int(digits)
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if end <= space + 1 or end > len(data) or not equals or data[end - 1 : end] != b"\n":
            raise DamageError("a malformed extended header")
        yield key, value
        place = end


def _pass_over_map(source: Source, block: bytes) -> None:
    """Skip the blocks in which GNU's old format lists the holes of a sparse file."""
    goes_on = block[482]
    while goes_on:
        block = source.read(BLOCK)
        if len(block) < BLOCK:
            raise DamageError("cut off inside the map of a sparse file")
        goes_on = block[504]


def _ustar_name(block: bytes) -> bytes:
    name = block[:100].split(b"\0", 1)[0]
    # GNU's own format keeps other things where POSIX keeps the front of a long path.
    prefix = block[345:500].split(b"\0", 1)[0] if block[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _number(field: bytes) -> int:
    """Octal digits, or GNU's binary form for larger numbers."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.split(b"\0", 1)[0].strip()
    if digits.strip(b"01234567"):
        raise DamageError("damaged: a header whose size is not a number")
    return int(digits or b"0", 8)


def _check_end(source: Source) -> None:
    """Read on to the end of the file, which also checks the checksum of a compressed one."""
    rest = source.read(_TRAILING + 1)
    if len(rest) > _TRAILING or any(rest):
        raise DamageError("other bytes follow the archive's end; they were not read")
