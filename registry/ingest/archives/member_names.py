"""The names of archive members, from bytes to text.

A ZIP states UTF-8 by a flag, or has the name once more in a Unicode field; else its names are
code page 437 by the format, and anything in practice. A TAR states nothing.

A name in an unknown encoding is kept as its bytes, those that are not ASCII as ``%8E``, so that no
member is lost and none gets a wrong name silently.

Source: PKWARE APPNOTE.TXT 6.3.10, 4.4.4, 4.6.9 and appendix D.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

UTF8_FLAG = 0x800
UNICODE_PATH = 0x7075
_LETTERS_OF_437 = re.compile(rb"[\x00-\xa8\xad-\xaf\xe1]*")
"""Bytes that are letters and marks of names in code page 437; the others draw boxes and formulas,
and are letters of other encodings."""
_JAPANESE = re.compile(r"[\x20-\x7e]*(?:[\u3000-\u30ff\u4e00-\u9fff]{2,}[\x20-\x7e]*)+")
_LONGEST_SHOWN = 24


class MemberName(NamedTuple):
    """A name as text, what a person should know about it, and why it is refused."""

    text: str
    note: str | None = None
    fault: str | None = None


def tar_name(raw: bytes) -> MemberName:
    """The name of a member of a TAR: UTF-8, or kept raw."""
    try:
        return MemberName(raw.decode())
    except UnicodeDecodeError:
        return _kept_raw(raw, "is not UTF-8")


def zip_name(raw: bytes, flags: int, extra: bytes) -> MemberName:
    r"""The name of a member of a ZIP.

    Windows programs join its parts by backslashes, which the format forbids; they count as slashes.

    >>> zip_name("Köln\\Zoë.png".encode("cp437"), 0, b"").text
    'Köln/Zoë.png'
    """
    field = unicode_path(extra)
    if field is None:
        name = _zip_text(raw, flags)
    elif field[1:5] != struct.pack("<I", zlib.crc32(raw)) or field[:1] != b"\1":
        name = _zip_text(raw, flags)
        name = name._replace(note=name.note or "its Unicode name is not of its name; it is ignored")
    else:
        name = tar_name(field[5:])
        stated = raw.decode("utf-8", "replace")
        if (raw.isascii() or flags & UTF8_FLAG) and stated != name.text:
            name = name._replace(fault="the archive's directory gives it two different names")
    return name._replace(text=name.text.replace("\\", "/"))


def unicode_path(extra: bytes) -> bytes | None:
    """The content of the Unicode field among a member's extra fields."""
    return next((content for kind, content in extra_fields(extra) if kind == UNICODE_PATH), None)


def extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and content of each extra field of a ZIP's member."""
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, place)
        yield kind, extra[place + 4 : place + 4 + length]
        place += 4 + length


def _zip_text(raw: bytes, flags: int) -> MemberName:
    try:
        return MemberName(raw.decode())
    except UnicodeDecodeError:
        pass
    if flags & UTF8_FLAG:
        return _kept_raw(raw, "is not the UTF-8 that the archive states")
    if not _LETTERS_OF_437.fullmatch(raw):
        return _kept_raw(raw, "is neither UTF-8 nor code page 437")
    other = _japanese(raw)
    if other and b"\\" in raw:
        return _kept_raw(raw, "may be Shift-JIS, in which a backslash is half of a letter")
    note = f"the name in the archive is read as code page 437; as Shift-JIS it is {other!r}" if other else None
    return MemberName(raw.decode("cp437"), note)


def _kept_raw(raw: bytes, reason: str) -> MemberName:
    # A backslash can be the second half of a letter here.
    text = "".join(chr(byte) if byte < 0x80 and byte != 0x5C else f"%{byte:02X}" for byte in raw)
    other = _japanese(raw) or raw.decode("cp1252", "backslashreplace")
    shown = raw[:_LONGEST_SHOWN].hex(" ") + (" …" if len(raw) > _LONGEST_SHOWN else "")
    return MemberName(
        text, f"the name in the archive {reason}, and kept as its bytes ({shown}); it may be {other[:80]!r}"
    )


def _japanese(raw: bytes) -> str | None:
    """The name as Shift-JIS, if that is plausible."""
    try:
        text = raw.decode("cp932")
    except UnicodeDecodeError:
        return None
    return text if _JAPANESE.fullmatch(text) else None
