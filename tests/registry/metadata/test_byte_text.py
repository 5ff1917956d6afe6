"""Names in every encoding: what comes out is the name, or is flagged; it is never shorter without a
word.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from registry.metadata import EmbeddedMetadata
from registry.metadata.byte_text import read_text
from registry.metadata.values import clean
from tests.registry.metadata import files
from tests.registry.metadata.files import exif, iim, image_file, read
from tests.registry.metadata.test_positions import chunk, png

PROPERTY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ENCODINGS = (
    *("utf-8", "cp1252", "latin-1", "mac_roman", "cp932", "euc_jp", "euc_kr", "gb18030", "cp1250", "cp1251"),
    *("iso8859-2", "iso8859-5", "iso8859-7", "iso8859-15", "koi8-r", "big5"),
)


def repertoire(codec: str) -> list[str]:
    """The letters of an encoding, each in the form in which names are compared."""
    letters = []
    for code in [*range(0x21, 0x250), *range(0x370, 0x460), *range(0x3041, 0x30FF), *range(0x4E00, 0x4F00)]:
        letter = chr(code)
        if not letter.isprintable() or letter in ";\\":
            continue
        try:
            if letter.encode(codec).decode(codec) == letter:
                letters.append(letter)
        except UnicodeError:
            continue
    return letters


NAMES = st.sampled_from(ENCODINGS).flatmap(
    lambda codec: st.tuples(st.just(codec), st.text(st.sampled_from(repertoire(codec)), min_size=1, max_size=12))
)


def artist(data: bytes, kind: int) -> bytes:
    """A JPEG with a field Artist of these bytes, as EXIF's type number ``kind``."""
    entry = struct.pack("<HHHII", 1, 0x013B, kind, len(data) + 1, 26) if len(data) >= 4 else b""
    if not entry:
        entry = struct.pack("<HHHI4s", 1, 0x013B, kind, len(data) + 1, data + b"\0")
    block = b"Exif\0\0II*\0\x08\0\0\0" + entry + b"\0\0\0\0" + data + b"\0"
    return files.with_segments(image_file("JPEG"), (0xE1, block))


WRITERS: dict[str, Callable[[bytes], bytes]] = {
    "EXIF": lambda data: artist(data, 2),
    "IPTC": lambda data: files.jpeg_with_iptc(iim((2, 80, data))),
    "PNG": lambda data: png(chunk(b"tEXt", b"Author\0" + data)),
    "PNG, international": lambda data: png(chunk(b"iTXt", b"Author\0\0\0\0\0" + data)),
    "EXIF 3": lambda data: artist(data, 129),
}


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parametrize("writer", WRITERS)
@PROPERTY
@given(found=NAMES)
def test_a_name_is_right_or_flagged(writer: str, found: tuple[str, str]) -> None:
    """Over the repertoire of every encoding, in every block; nothing is lost on the way."""
    codec, name = found
    data = name.encode(codec)
    # No reader can tell such bytes from UTF-8.
    assume(codec == "utf-8" or data.isascii() or not is_utf8(data))
    # A PNG's own encoding is Latin-1: other text without its control characters is text in it.
    assume(writer != "PNG" or codec in ("utf-8", "latin-1") or any(0x80 <= byte < 0xA0 for byte in data))
    metadata = read(WRITERS[writer](data))
    assert metadata.creator == name or metadata.problems
    _nothing_is_lost(data, metadata)


def _nothing_is_lost(data: bytes, metadata: EmbeddedMetadata) -> None:
    """Every byte is a letter, or part of one."""
    creator = metadata.creator or ""
    bytes_of_letters = [len(creator), len(creator.encode())]
    assert max(bytes_of_letters) >= len(data.strip(b"\0 ")) or data.decode("utf-8", "ignore") == creator


@PROPERTY
@given(data=st.binary(min_size=1, max_size=40))
def test_any_bytes_are_kept_or_flagged(data: bytes) -> None:
    """Of bytes in no encoding at all, none goes without a doubt that names them."""
    reading = read_text(data)
    stripped = data.strip(b"\0 ")
    if reading.text.encode() != stripped and b"\x1b" not in data:
        assert reading.doubt
        assert stripped[:24].hex(" ") in reading.doubt


@given(text=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x17F), max_size=30))
def test_cleaning_takes_no_letters(text: str) -> None:
    """Controls 80 to 9F are letters of Windows-1252; those that are none there stay visible."""
    cleaned = clean(text)
    assert len(cleaned) >= len(text.replace("\x7f", "").strip())
    assert [each for each in cleaned if each.isalpha() and ord(each) < 0x80] == [
        each for each in cleaned if each.isascii() and each.isalpha()
    ]


def test_names_of_several_programs() -> None:
    """The names of the situations that users reported."""
    for data, text in (
        ("Siân O’Brien – Žižka".encode("cp1252"), "Siân O’Brien – Žižka"),
        ("Zoë Müller".encode(), "Zoë Müller"),
        (b"O\x81Brien", r"O\x81Brien"),
        ("山田".encode("iso2022_jp"), "山田"),
    ):
        assert read_text(data).text == text
    assert "as Mac Roman 'Zoë Müller'" in (read_text("Zoë Müller".encode("mac_roman")).doubt or "")
    assert "as Shift-JIS '山田太郎'" in (read_text("山田太郎".encode("cp932")).doubt or "")


def test_the_utf8_of_exif_3() -> None:
    """Type 129, inside its entry and behind it, little and big endian."""
    for name in ("Zoë", "Zoë Müller"):
        metadata = read(artist(name.encode(), 129))
        assert (metadata.creator, metadata.problems) == (name, ())
    unknown = read(artist(b"Zoe Mueller", 130))
    assert unknown.problems == (
        "EXIF Artist has the unknown type 130; its bytes are 5a 6f 65 20 4d 75 65 6c 6c 65 72 00",
    )


@pytest.mark.parametrize("kind", [2, 129])
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_names_of_exif_3(kind: int, order: str) -> None:
    """Photographer and title stand in the EXIF directory, as UTF-8 or ASCII."""
    name, title = "Zoë Müller".encode(), b"Sea"
    first = struct.pack(f"{order}HHHIII", 1, 0x8769, 4, 1, 26, 0)
    second = struct.pack(f"{order}HHHI4sHHIII", 2, 0xA436, kind, 4, title + b"\0", 0xA437, kind, len(name) + 1, 56, 0)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    block = b"Exif\0\0" + mark + struct.pack(f"{order}I", 8) + first + second + name + b"\0"
    metadata = read(files.with_segments(image_file("JPEG"), (0xE1, block)))
    assert (metadata.creator, metadata.title, metadata.problems) == ("Zoë Müller", "Sea", ())


def test_windows_letters_in_exif() -> None:
    """Pillow hands ASCII fields over as Latin-1; their bytes are read again."""
    metadata = read(image_file("JPEG", exif=exif(Artist="O’Brien".encode("cp1252"))))
    assert metadata.creator == "O’Brien"
    assert "read as Windows-1252" in metadata.problems[0]
