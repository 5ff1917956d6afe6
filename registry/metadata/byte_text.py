r"""Bytes to text, for the blocks whose encoding is unstated or misstated: EXIF, IPTC, PNG text.

The order of guesses, and why:

1. The escape sequences of ISO 2022 name their own encoding.
2. UTF-8, if the bytes are valid UTF-8. Other text with accents hardly ever is.
3. The encoding that the block states.
4. Windows-1252: the encoding of most programs that state none. Latin-1 has control characters where
   it has quotation marks and ``Š``, ``Ž``, ``Œ``.

The last step is a guess: Mac Roman, Shift-JIS and others have letters at the same bytes. Its result
carries a doubt, which names the bytes. No byte is dropped: one without a letter is shown as
``\x81``.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

LONGEST_SHOWN = 24
"""Bytes in a doubt."""
_ESCAPE = b"\x1b"
_ISO_2022 = ("iso2022_jp_2", "iso2022_jp_3", "iso2022_kr")
_CONTROLS = re.compile(r"[\x80-\x9f]")
_CONTROL_BYTES = re.compile(rb"[\x80-\x9f]")
_JAPANESE = re.compile(r"[\x20-\x7e\u3000-\u30ff\u4e00-\u9fff]+")


@dataclass(frozen=True)
class Reading:
    """A text, and why it may be another one."""

    text: str
    doubt: str | None = None


@dataclass(frozen=True)
class Stated:
    """The encoding that a block states."""

    codec: str
    name: str
    prefix: bytes = b""
    """Escape sequence that stands in the statement rather than in the text."""


UTF8 = Stated("utf-8", "UTF-8")
LATIN1 = Stated("latin-1", "Latin-1")


def read_text(data: bytes, stated: Stated | None = None) -> Reading:
    r"""The text of ``data``, without the NULs and blanks around it.

    >>> read_text(b"Jos\xe9").text
    'José'
    """
    data = data.strip(b"\0 ")
    if stated and stated.prefix and (text := _strictly(stated.prefix + data, stated.codec)) is not None:
        return Reading(text)
    if _ESCAPE in data and (text := _iso_2022(data)) is not None:
        return Reading(text)
    text = _strictly(data, "utf-8")
    if text is not None:
        if stated and stated is not UTF8 and (stated.prefix or not text.isascii()):
            return Reading(text, f"is UTF-8, though its block states {stated.name}; read as UTF-8")
        return Reading(text)
    if stated and (text := _strictly(data, stated.codec)) is not None and not _CONTROLS.search(text):
        return Reading(text)
    reason = f"is not the {stated.name} that its block states" if stated else "states no encoding and is not UTF-8"
    return Reading(data.decode("cp1252", "backslashreplace"), f"{reason}; read as Windows-1252{_other_readings(data)}")


def from_windows(text: str) -> str:
    """The text with control characters 80 to 9F as the letters that Windows-1252 has there.

    A program that took Windows-1252 for Latin-1 left such controls; they have no other use.
    """
    return text.translate(_WINDOWS)


def named_by_iso_2022(statement: bytes) -> Stated | None:
    """The encoding that escape sequences name, as in IPTC 1:90; None if they are not known.

    Source: ISO/IEC 2022, and its register of coded character sets.
    """
    found = None
    for kind, final in _DESIGNATION.findall(statement):
        found = _DESIGNATIONS.get((kind, final)) or found
    return found


def _iso_2022(data: bytes) -> str | None:
    for codec in _ISO_2022:
        text = _strictly(data, codec)
        if text is not None and "\x1b" not in text:
            return text
    return None


def _strictly(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        return None


def _other_readings(data: bytes) -> str:
    """What else the bytes can mean, and the bytes themselves."""
    shown = data[:LONGEST_SHOWN]
    others = []
    if _CONTROL_BYTES.search(data):
        others.append(f"as Mac Roman {shown.decode('mac_roman')!r}")
        japanese = _strictly(data, "cp932")
        if japanese and _JAPANESE.fullmatch(japanese):
            others.append(f"as Shift-JIS {japanese[:LONGEST_SHOWN]!r}")
    return (
        "".join(f"; {other}" for other in others)
        + f"; its bytes are {shown.hex(' ')}"
        + (" …" if len(data) > LONGEST_SHOWN else "")
    )


def _windows_bytes(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "backslashreplace"), error.end


WINDOWS_BYTES = "creditline-windows-bytes"
"""Name of an error handler: bytes that are not UTF-8 are read as Windows-1252."""
codecs.register_error(WINDOWS_BYTES, _windows_bytes)
_WINDOWS = {code: bytes([code]).decode("cp1252", "backslashreplace") for code in range(0x80, 0xA0)}

_DESIGNATION = re.compile(rb"\x1b(%/?|[-./]|\$?[()*+]?)([0-~])")
_PARTS = {b"A": 1, b"B": 2, b"C": 3, b"D": 4, b"L": 5, b"G": 6, b"F": 7, b"H": 8, b"M": 9, b"V": 10, b"T": 11}
_PARTS |= {b"Y": 13, b"_": 14, b"b": 15, b"f": 16}
_DESIGNATIONS: Mapping[tuple[bytes, bytes], Stated] = MappingProxyType(
    {
        **{(b"%", b"G"): UTF8, (b"%/", b"G"): UTF8, (b"%/", b"H"): UTF8, (b"%/", b"I"): UTF8},
        **{
            (kind, final): LATIN1 if part == 1 else Stated(f"iso8859-{part}", f"ISO 8859-{part}")
            for kind in (b"-", b".", b"/")
            for final, part in _PARTS.items()
        },
        **{(b"$", final): Stated("iso2022_jp", "JIS X 0208", b"\x1b$" + final) for final in (b"@", b"B")},
        (b"$)", b"A"): Stated("gb2312", "GB 2312"),
        (b"$)", b"B"): Stated("euc_jp", "EUC-JP"),
        (b"$)", b"C"): Stated("euc_kr", "KS X 1001"),
    }
)
