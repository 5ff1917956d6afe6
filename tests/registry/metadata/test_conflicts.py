"""Declarations against files, place by place: an older block that names somebody else is heard,
too.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.ingest.findings import Kind
from registry.ingest.owners.declarations import Declaration, OneOwner
from registry.ingest.store.embedded import conflicts
from registry.metadata import EmbeddedMetadata
from registry.storage.database import Registry
from tests.registry.metadata import files
from tests.registry.metadata.files import exif, iim, image_file, packet, photoshop_resource, read, with_segments
from tests.support.works import register, write


def file_saying(xmp: str | None = None, iptc: str | None = None, artist: str | None = None) -> bytes:
    """A JPEG in which up to three places name a creator."""
    options = {"xmp": packet(f"<dc:creator>{xmp}</dc:creator>").encode()} if xmp else {}
    data = image_file("JPEG", **options, **({"exif": exif(Artist=artist)} if artist else {}))
    if iptc:
        data = with_segments(data, (0xED, b"Photoshop 3.0\0" + photoshop_resource(iim((2, 80, iptc.encode())))))
    return data


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (file_saying(xmp="Bob"), ""),
        (file_saying(iptc="Bob"), ""),
        (file_saying(artist="Bob"), ""),
        (file_saying(xmp="Ada", iptc="Bob"), " in iptc"),
        (file_saying(xmp="Ada", artist="Bob"), " in exif"),
        (file_saying(xmp="Ada", iptc="Ada", artist="Bob"), " in exif"),
        (file_saying(iptc="Ada", artist="Bob"), " in exif"),
    ],
)
def test_a_creator_in_any_place_contradicts(data: bytes, place: str) -> None:
    """Whether or not a better place agrees; said of the creator and of the rightsholder."""
    metadata = read(data)
    assert list(conflicts(Declaration("table", creator="Ada"), metadata)) == [
        f"declared as made by 'Ada'; the file's creator{place} is 'Bob'"
    ]
    assert list(conflicts(Declaration("table", rightsholder="Ada"), metadata)) == [
        f"declared for 'Ada'; the file's creator{place} says 'Bob'"
    ]


def test_an_agencys_photographer_is_no_contradiction_in_an_older_block() -> None:
    """The best place names both, EXIF the photographer alone: the same, said more briefly."""
    block = packet("<dc:creator>Bob</dc:creator><dc:rights>© Agency</dc:rights>").encode()
    metadata = read(image_file("JPEG", xmp=block, exif=exif(Artist="Bob")))
    assert list(conflicts(Declaration("table", rightsholder="Agency"), metadata)) == []
    other = read(image_file("JPEG", xmp=block, exif=exif(Artist="Eve")))
    assert list(conflicts(Declaration("table", rightsholder="Agency"), other)) == [
        "declared for 'Agency'; the file's creator in exif says 'Eve'"
    ]


def test_a_newer_declaration_is_held_against_every_place(registry: Registry, folder: Path) -> None:
    """As it was when the work was registered: what the older blocks said is kept, too."""
    write(folder / "a.jpg", file_saying(xmp="Ada", artist="Bob"))
    first = register(registry, folder, OneOwner("Ada", "MIT"))
    newer = register(registry, folder, OneOwner("Ada", "https://opensource.org/license/mit"))
    for report in (first, newer):
        assert [(finding.kind, finding.reason) for finding in report.findings] == [
            (Kind.CONFLICT, "declared for 'Ada'; the file's creator in exif says 'Bob'")
        ]


@pytest.mark.parametrize("term", ["DMI-BOGUS", f"{files.VOCABULARY}DMI-PROHIBITED-ONTUESDAYS", "no"])
def test_a_value_that_plus_does_not_have_is_a_finding(registry: Registry, folder: Path, term: str) -> None:
    """It is kept and may count as a reservation, but somebody must look at it."""
    write(folder / "a.jpg", image_file("JPEG", xmp=files.data_mining(term)))
    report = register(registry, folder, OneOwner("Ada", "LicenseRef-house"))
    assert [(finding.kind, finding.reason) for finding in report.findings] == [
        (Kind.METADATA, f"plus:DataMining is {term!r}, which is no value of the PLUS vocabulary")
    ]


@pytest.mark.parametrize(
    ("value", "permission"),
    [
        ("DMI-ALLOWED", "permitted"),
        ("DMI-UNSPECIFIED", "permitted"),
        ("DMI-SOMETHING-NEW", "unclear"),
        ("DMI-PROHIBITED-ONTUESDAYS", "prohibited"),
    ],
)
def test_a_value_that_is_not_understood_permits_nothing(
    registry: Registry, folder: Path, value: str, permission: str
) -> None:
    """Under a licence that permits training, an unknown value makes the use unclear."""
    write(folder / "a.jpg", image_file("JPEG", xmp=files.data_mining(value)))
    register(registry, folder, OneOwner("Ada", "CC0-1.0"))
    with registry.connection() as connection:
        assert connection.execute("SELECT permission FROM asset").fetchall() == [(permission,)]


def test_no_finding_where_nothing_is_said() -> None:
    """A file without names, and a declaration without."""
    assert list(conflicts(Declaration("table", rightsholder="Ada", creator="Ada"), EmbeddedMetadata())) == []
    assert list(conflicts(Declaration("table"), read(file_saying(xmp="Ada", artist="Bob")))) == []
