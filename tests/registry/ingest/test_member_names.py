"""Names of archive members in every encoding: no member is lost, none leads out of the archive, and
a name that may be wrong is said to be.
"""

from __future__ import annotations

import struct
import tarfile
import zlib
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.ingest.archives import ArchiveMember, Limits, read_archive
from registry.ingest.archives.member_filter import MemberFilter
from registry.ingest.archives.member_names import UNICODE_PATH, UTF8_FLAG, MemberName, tar_name, zip_name
from registry.ingest.findings import Finding
from registry.ingest.owners.declarations import OneOwner
from registry.storage.database import Registry
from tests.registry.ingest.hostile_archives import raw_zip, stored, tar_of
from tests.support.works import encoded, picture, register, write


def unicode_field(name: str, of: bytes, version: int = 1) -> bytes:
    content = bytes([version]) + struct.pack("<I", zlib.crc32(of)) + name.encode()
    return struct.pack("<HH", UNICODE_PATH, len(content)) + content


def taken(path: Path, data: bytes) -> list[ArchiveMember | Finding]:
    path.write_bytes(data)
    return list(read_archive(path))


SJIS = "写真.png".encode("cp932")


@pytest.mark.parametrize(
    ("raw", "flags", "extra", "name"),
    [
        ("Köln/Zoë.png".encode("cp437"), 0, b"", MemberName("Köln/Zoë.png")),
        ("Straße.png".encode("cp437"), 0, b"", MemberName("Straße.png")),
        ("Zoë.png".encode(), 0, b"", MemberName("Zoë.png")),
        ("写真.png".encode(), UTF8_FLAG, b"", MemberName("写真.png")),
        (b"sub\\win.png", 0, b"", MemberName("sub/win.png")),
        (SJIS, 0, unicode_field("写真.png", SJIS), MemberName("写真.png")),
        (b"a.png", 0, struct.pack("<HH", 1, 0) + unicode_field("a.png", b"a.png"), MemberName("a.png")),
    ],
)
def test_names_that_an_archive_states(raw: bytes, flags: int, extra: bytes, name: MemberName) -> None:
    """Code page 437, UTF-8 with its flag and without, the Unicode field, Windows' backslashes."""
    assert zip_name(raw, flags, extra) == name


@pytest.mark.parametrize(
    ("raw", "flags", "extra", "text", "note"),
    [
        (SJIS, 0, b"", "%8E%CA%90^.png", "is neither UTF-8 nor code page 437"),
        (SJIS, 0, b"", "%8E%CA%90^.png", "it may be '写真.png'"),
        ("Zoé.png".encode("cp1252"), 0, b"", "Zo%E9.png", "it may be 'Zoé.png'"),
        ("Zoé.png".encode("cp1252"), UTF8_FLAG, b"", "Zo%E9.png", "is not the UTF-8 that the archive states"),
        ("山田.png".encode("cp932"), 0, b"", "ÄRôc.png", "as Shift-JIS it is '山田.png'"),
        ("猫表.png".encode("cp932"), 0, b"", "%94L%95%5C.png", "a backslash is half of a letter"),
        (SJIS, 0, unicode_field("other.png", b"x"), "%8E%CA%90^.png", "is neither UTF-8 nor"),
        (b"a.png", 0, unicode_field("b.png", b"x"), "a.png", "its Unicode name is not of its name"),
        (b"a.png", 0, unicode_field("b.png", b"a.png", 2), "a.png", "its Unicode name is not of its name"),
    ],
)
def test_a_name_in_doubt_is_kept_and_said(raw: bytes, flags: int, extra: bytes, text: str, note: str) -> None:
    """Kept as its bytes where nothing fits, with the likely name in the note."""
    name = zip_name(raw, flags, extra)
    assert (name.text, name.fault) == (text, None)
    assert note in (name.note or "")


def test_two_different_names_are_refused(tmp_path: Path) -> None:
    """A field that renames a member shows another name to every other program."""
    for member in (
        replace(stored("a.png", b"x"), extra=unicode_field("b.png", b"a.png")),
        replace(
            stored(SJIS, b"x"), flags=0, extra=unicode_field("b.png", SJIS), local_extra=unicode_field("c.png", SJIS)
        ),
    ):
        (found,) = taken(tmp_path / "a.zip", raw_zip([member]))
        assert isinstance(found, Finding)
        assert "name" in found.reason


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (rb"..\out.png", "'..'"),
        (rb"a\..\..\out.png", "'..'"),
        (rb"\\server\out.png", "absolute"),
        (rb"\out.png", "absolute"),
        (rb"C:\out.png", "absolute"),
        (rb"a/..\out.png", "'..'"),
    ],
)
@pytest.mark.parametrize("flags", [0, UTF8_FLAG])
def test_backslashes_lead_nowhere(tmp_path: Path, name: bytes, reason: str, flags: int) -> None:
    """The checks of a path are made after backslashes became slashes."""
    found, good = taken(tmp_path / "a.zip", raw_zip([replace(stored(name, b"x"), flags=flags), stored("ok", b"ok")]))
    assert isinstance(found, Finding)
    assert reason in found.reason
    assert isinstance(good, ArchiveMember)


def test_a_folder_of_windows_is_no_member(tmp_path: Path) -> None:
    """Its entry ends in a backslash."""
    found = taken(tmp_path / "a.zip", raw_zip([stored(b"sub\\", b""), stored(rb"sub\a.png", b"x")]))
    assert [each.path for each in found] == ["sub/a.png"]


def test_a_backslash_in_a_tar_is_refused(tmp_path: Path) -> None:
    """There it is a letter of a Unix name, which other systems read as a path."""
    (found,) = taken(tmp_path / "a.tar", tar_of([("a\\b.png", b"x")]))
    assert "backslash" in getattr(found, "reason", "")


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT])
def test_a_name_in_a_tar_that_is_not_utf8_is_kept(tmp_path: Path, kind: int) -> None:
    """Also a long one, in an extended header."""
    for front in ("", "x" * 120 + "/"):
        if front and kind == tarfile.USTAR_FORMAT:
            continue
        data = tar_of([(f"{front}Zo\udce9.png", b"x")], kind)  # type: ignore[arg-type]
        (found,) = taken(tmp_path / "a.tar", data)
        assert isinstance(found, ArchiveMember)
        assert found.path == f"{front}Zo%E9.png"
        assert "is not UTF-8" in (found.note or "")


@given(raw=st.binary(min_size=1, max_size=40), flags=st.sampled_from([0, UTF8_FLAG]), field=st.binary(max_size=30))
def test_any_bytes_are_a_name(raw: bytes, flags: int, field: bytes) -> None:
    """What is admitted is a path inside the archive that can be stored; what is not has a reason.
    Letters that are not ASCII either decode or stay as bytes.
    """
    members = MemberFilter("a.zip", Limits(), lambda _: True)
    extra = struct.pack("<HH", UNICODE_PATH, len(field)) + field
    for name in (zip_name(raw, flags, extra), zip_name(raw, flags, b""), tar_name(raw)):
        name.text.encode()
        path = members.admit(name)
        if isinstance(path, str):
            assert not set(PurePosixPath(path).parts) & {"..", "/"}
            assert "\\" not in path
            assert path.isprintable() or " " in path or any(ord(each) > 0x7F for each in path)


def test_a_name_in_doubt_is_a_finding_of_registration(registry: Registry, folder: Path) -> None:
    """The work is registered under the name as it was kept, and the person is told."""
    write(folder / "a.zip", raw_zip([replace(stored(SJIS, encoded(picture(1))), flags=0)]))
    report = register(registry, folder, OneOwner("Ada", "CC0-1.0"))
    assert report.registered == 1
    assert [finding.path for finding in report.findings] == ["a.zip!/%8E%CA%90^.png"]
    assert "it may be '写真.png'" in report.findings[0].reason
