"""Words about rights count in every place of a file, also in a damaged one."""

from __future__ import annotations

import zlib

import pytest

from registry.metadata import EmbeddedMetadata
from registry.signals import Protocol, Use
from tests.registry.metadata.files import exif, image_file, packet, png_with_last_chunk, read, with_segments

TERMS = "<xmpRights:UsageTerms>No AI training</xmpRights:UsageTerms>"


def uses(metadata: EmbeddedMetadata) -> list[Use]:
    return [signal.use for signal in metadata.signals if signal.protocol is Protocol.WORDS]


@pytest.mark.parametrize(
    ("keyword", "text", "use"),
    [
        ("Copyright", "No AI training", Use.PROHIBITED),
        ("copyright", "No AI training", Use.PROHIBITED),
        ("Copyright Notice", "No AI training", Use.PROHIBITED),
        ("License", "CC BY-NC 4.0", Use.CONSTRAINED),
        ("licence", "ask first", Use.UNCLEAR),
        ("Usage Terms", "No AI training", Use.PROHIBITED),
        ("Rights", "All rights reserved", Use.PROHIBITED),
        ("Rights", "© 2024 Ada Example", None),
        ("License", "CC0-1.0", None),
        ("Comment", "Not for AI training", Use.PROHIBITED),
        ("Comment", "Created with GIMP; use of colour is free", None),
        ("Description", "KI-Training verboten", Use.PROHIBITED),
        ("Description", "A robot that is not allowed to enter; made with AI", None),
    ],
)
def test_png_keywords(keyword: str, text: str, use: Use | None) -> None:
    """Every keyword about rights is read; comments and descriptions count where they forbid."""
    assert uses(read(png_with_last_chunk(b"tEXt", f"{keyword}\0{text}".encode("latin-1")))) == ([use] if use else [])


@pytest.mark.parametrize("keyword", [b"Copyright\0", b"License\0", b"XML:com.adobe.xmp\0"])
def test_a_damaged_text_about_rights_is_unclear(keyword: bytes) -> None:
    """It says something that nobody can read; a damaged title says nothing about rights."""
    metadata = read(png_with_last_chunk(b"zTXt", keyword + b"\0damaged"))
    assert uses(metadata) == [Use.UNCLEAR]
    assert metadata.problems
    assert uses(read(png_with_last_chunk(b"zTXt", b"Title\0\0damaged"))) == []
    assert uses(read(png_with_last_chunk(b"zTXt", b"Title\0\0" + zlib.compress(b"Sunset")))) == []


@pytest.mark.parametrize(
    ("xmp", "expected"),
    [
        (packet(TERMS)[:-60], [Use.PROHIBITED]),
        (packet("<xmpRights:UsageTerms>ask first</xmpRights:UsageTerms>")[:-60], [Use.UNCLEAR]),
        (packet("<dc:title>Sunset</dc:title>")[:-60], []),
    ],
)
def test_damaged_xmp_with_words_about_rights(xmp: str, expected: list[Use]) -> None:
    """A packet that cannot be parsed lifts no reservation. One about other things is harmless."""
    segment = b"http://ns.adobe.com/xap/1.0/\0" + xmp.encode()
    metadata = read(with_segments(image_file("JPEG"), (0xE1, segment)))
    assert uses(metadata) == expected
    assert any("XMP cannot be read" in problem for problem in metadata.problems)


def test_descriptions_and_prohibited_uses() -> None:
    """A description that forbids training counts, and so do prohibited uses of a licence."""
    described = packet("<dc:description>No AI training.</dc:description>").encode()
    assert uses(read(with_segments(image_file("JPEG"), (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + described)))) == [
        Use.PROHIBITED
    ]
    assert uses(read(image_file("JPEG", exif=exif(ImageDescription="No AI training.")))) == [Use.PROHIBITED]
    assert uses(read(image_file("JPEG", exif=exif(ImageDescription="A sign: no entry")))) == []
    node = '<cc:prohibits xmlns:cc="http://creativecommons.org/ns#" rdf:resource="http://creativecommons.org/ns#CommercialUse"/>'
    prohibits = with_segments(image_file("JPEG"), (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet(node).encode()))
    assert uses(read(prohibits)) == [Use.UNCLEAR]
