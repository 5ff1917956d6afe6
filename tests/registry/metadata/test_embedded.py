"""What real files say, format by format, and which place is believed when they disagree."""

from __future__ import annotations

import io
import json
import struct
import sys
import time
import zlib
from typing import Any

import pytest
from PIL import Image, TiffImagePlugin

from registry.errors import InputError
from registry.metadata import NOTHING, EmbeddedMetadata, plus, read_embedded
from registry.metadata.values import LARGEST_PACKET
from registry.signals import Category, Protocol, RightsSignal, Use
from tests.registry.metadata import files
from tests.registry.metadata.files import VOCABULARY, data_mining, exif, image_file, packet, read

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")
TITLED = packet("<dc:title>Dünen</dc:title>").encode()


@pytest.mark.parametrize("image_format", [*FORMATS, "GIF", "BMP", "PPM"])
def test_a_file_without_metadata_says_nothing(image_format: str) -> None:
    """Nothing is found in a plain file, and finding that out is cheap enough for millions of
    them.
    """
    data = image_file(image_format)
    assert read(data).is_empty
    with Image.open(io.BytesIO(data)) as image:
        read_embedded(image, data)
        best = min(_seconds(image, data) for _ in range(50))
    assert best < 100e-6  # about five times what is measured on a quiet core


def _seconds(image: Image.Image, data: bytes) -> float:
    started = time.perf_counter()
    read_embedded(image, data)
    return time.perf_counter() - started


@pytest.mark.parametrize("image_format", FORMATS)
def test_xmp_and_exif_of_every_format(image_format: str) -> None:
    """Blocks that Pillow writes are read back; the raw packet is kept as it stands in the file."""
    block = exif(Artist="Ada Müller".encode(), Copyright="(c) Ada", XPTitle="Küste".encode("utf-16-le") + b"\0\0")
    metadata = read(files.with_xmp(image_format, TITLED, block))
    assert (metadata.title, metadata.creator, metadata.copyright_notice) == ("Dünen", "Ada Müller", "(c) Ada")
    assert metadata.xmp == TITLED
    assert metadata.fields["exif"]["XPTitle"] == "Küste"
    assert metadata.said_in("title") == {("xmp", "dc:title"): "Dünen", ("exif", "XPTitle"): "Küste"}
    assert metadata.problems == ()


@pytest.mark.parametrize("behind", [False, True])
def test_gif_with_xmp(behind: bool) -> None:
    """XMP of a GIF is found before and behind its picture; Pillow hands over neither."""
    metadata = read(files.gif_with_xmp(TITLED, behind=behind))
    assert (metadata.title, metadata.xmp, metadata.problems) == ("Dünen", TITLED, ())


@pytest.mark.parametrize("compressed", [False, True])
def test_png_with_xmp_behind_its_pixels(compressed: bool) -> None:
    """Some programs append XMP to a PNG; a reservation there counts, too."""
    body = data_mining("DMI-PROHIBITED")
    flag, text = (b"\1", zlib.compress(body)) if compressed else (b"\0", body)
    metadata = read(files.png_with_last_chunk(b"iTXt", b"XML:com.adobe.xmp\0" + flag + b"\0\0\0" + text))
    assert [signal.use for signal in metadata.signals] == [Use.PROHIBITED]
    assert metadata.xmp == body


def test_png_bomb_behind_its_pixels() -> None:
    """A compressed chunk is unpacked no further than the limit, and the packet is neither kept nor
    read.
    """
    bomb = zlib.compress(b" " * (64 * LARGEST_PACKET))
    metadata = read(files.png_with_last_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb))
    assert metadata.xmp is None
    assert metadata.problems == ("an XMP packet of 1,048,577 bytes is neither read nor kept; at most 1,048,576 are",)


def test_png_exif_and_keywords() -> None:
    """EXIF behind the pixels and a PNG's own keywords are read; keywords have the last word."""
    block = exif(Artist="Ada").tobytes()
    png = files.png_with_last_chunk(b"eXIf", block.removeprefix(b"Exif\0\0"))
    text = b"Author\0Someone"
    chunk = struct.pack(">I", len(text)) + b"tEXt" + text + struct.pack(">I", zlib.crc32(b"tEXt" + text))
    metadata = read(png[:33] + chunk + png[33:])
    assert metadata.creator == "Ada"
    assert metadata.fields == {"exif": {"Artist": "Ada"}, "png": {"Author": "Someone"}}


def test_raw_profiles_of_png() -> None:
    """Blocks that ImageMagick writes as hexadecimal text are read like the blocks themselves."""
    block = files.photoshop_resource(files.iim((2, 80, b"Ada")))
    text = f"\niptc\n{len(block):8}\n{block.hex()}\n".encode()
    metadata = read(files.png_with_last_chunk(b"tEXt", b"Raw profile type iptc\0" + text))
    assert (metadata.creator, metadata.problems) == ("Ada", ())


def test_precedence_is_xmp_then_iptc_then_exif() -> None:
    """The same field from three places: one is chosen, all stay visible."""
    jpeg = image_file("JPEG", xmp=packet("<dc:creator>by XMP</dc:creator>").encode(), exif=exif(Artist="by EXIF"))
    block = files.iim((2, 80, b"by IPTC"), (2, 116, b"(c) IPTC"), (2, 110, b"Agency"))
    data = files.with_segments(jpeg, (0xED, b"Photoshop 3.0\0" + files.photoshop_resource(block)))
    metadata = read(data)
    assert (metadata.creator, metadata.copyright_notice, metadata.credit_line) == ("by XMP", "(c) IPTC", "Agency")
    assert metadata.said_in("creator") == {
        ("xmp", "dc:creator"): "by XMP",
        ("iptc", "By-line"): "by IPTC",
        ("exif", "Artist"): "by EXIF",
    }
    assert read(files.jpeg_with_iptc(block)).creator == "by IPTC"


@pytest.mark.parametrize(
    ("data_sets", "creator", "doubt"),
    [
        ([files.UTF8_MARK, (2, 80, "Jörg 木".encode())], "Jörg 木", None),
        ([(2, 80, "Jörg".encode("latin-1"))], "Jörg", "states no encoding and is not UTF-8; read as Windows-1252"),
        ([(1, 90, b"\x1b-A"), (2, 80, "Jörg".encode("latin-1"))], "Jörg", None),
        ([(1, 90, b"\x1b.A"), (2, 80, "Jörg".encode("latin-1"))], "Jörg", None),
        ([(2, 80, "Łęcki".encode("iso8859-2")), (1, 90, b"\x1b-B")], "Łęcki", None),
        ([(1, 90, b"\x1b-L"), (2, 80, "Анна".encode("iso8859-5"))], "Анна", None),
        ([(1, 90, b"\x1b$)C"), (2, 80, "김".encode("euc_kr"))], "김", None),
        ([(1, 90, b"\x1b$B"), (2, 80, "山田".encode("iso2022_jp")[3:-3])], "山田", None),
        ([(2, 80, "山田".encode("iso2022_jp"))], "山田", None),
        ([(1, 90, b"\x1b~~"), (2, 80, b"Ada")], "Ada", "1:90 states an unknown encoding: 1b 7e 7e"),
        ([(2, 80, "Jörg".encode())], "Jörg", None),
        ([(2, 80, b"Ada"), (2, 80, b"Ben")], "Ada; Ben", None),
        ([files.UTF8_MARK, (2, 80, b"J\xf6rg")], "Jörg", "is not the UTF-8 that its block states"),
    ],
)
def test_iptc_text(data_sets: list[tuple[int, int, bytes]], creator: str, doubt: str | None) -> None:
    """IPTC text has the encoding that 1:90 states, wherever it stands, or is plainly UTF-8; another
    reading is a guess, and said. Several by-lines are joined.
    """
    metadata = read(files.jpeg_with_iptc(files.iim(*data_sets)))
    assert metadata.creator == creator
    assert len(metadata.problems) == (doubt is not None)
    assert (doubt or "") in "".join(metadata.problems)


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        (files.iim((2, 80, b"Ada")) + b"\x1c\x02\x74\x00\xff(c)", "cut short"),
        (files.iim((2, 80, b"Ada")) + b"garbage", "cannot be read after byte 8"),
        (files.iim((2, 80, b"Ada")) + b"\x1c\x02\x74\xff\xff(c)", "length of 32,767 bytes"),
    ],
)
def test_damaged_iptc(block: bytes, problem: str) -> None:
    """What stands before the damage is kept, and the damage is said."""
    metadata = read(files.jpeg_with_iptc(block))
    assert metadata.creator == "Ada"
    assert len(metadata.problems) == 1
    assert problem in metadata.problems[0]


@pytest.mark.parametrize("as_longs", [False, True])
def test_tiff_with_iptc(as_longs: bool) -> None:
    """IPTC of a TIFF is read, also where the tag calls its bytes long integers, as Photoshop
    does.
    """
    block = files.iim((2, 80, b"Ada"), (2, 116, b"(c)"))
    block += b"\0" * (-len(block) % 4)
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags.tagtype[33723] = 7
    tags[33723] = block
    data = image_file("TIFF", tiffinfo=tags)
    if as_longs:
        entry = struct.pack("<HHI", 33723, 7, len(block))
        assert data.count(entry) == 1
        data = data.replace(entry, struct.pack("<HHI", 33723, 4, len(block) // 4))
    metadata = read(data)
    assert (metadata.creator, metadata.copyright_notice, metadata.problems) == ("Ada", "(c)", ())


def test_two_notices_in_exif_copyright() -> None:
    """EXIF has the photographer's and the editor's notice in one field, with a NUL between them."""
    metadata = read(image_file("JPEG", exif=exif(Copyright="Photographer\0Editor")))
    assert metadata.copyright_notice == "Photographer; Editor"


def test_exif_is_utf8_where_it_can_be() -> None:
    """EXIF text that is UTF-8 is read as that, anything else as Latin-1."""
    assert read(image_file("JPEG", exif=exif(Artist="木村".encode()))).creator == "木村"
    assert read(image_file("JPEG", exif=exif(Artist="Jörg".encode("latin-1")))).creator == "Jörg"


def test_damaged_exif_is_a_problem() -> None:
    """EXIF that cannot be read costs its fields, not the file."""
    metadata = read(files.with_segments(image_file("JPEG"), (0xE1, b"Exif\0\0II*\0\xff\xff\xff\x7f" + b"\1" * 40)))
    assert metadata.creator is None
    broken = read(files.with_segments(image_file("JPEG"), (0xE1, b"Exif\0\0??" + b"\1" * 40)))
    assert len(broken.problems) == 1
    assert broken.problems[0].startswith("EXIF cannot be read: ")


def _extended(portions: list[tuple[int, bytes]], length: int) -> bytes:
    header = b"http://ns.adobe.com/xmp/extension/\0" + b"A" * 32
    segments = [(0xE1, header + struct.pack(">II", length, offset) + portion) for offset, portion in portions]
    return files.with_segments(image_file("JPEG", xmp=TITLED), *segments)


def test_extended_xmp_is_joined() -> None:
    """XMP too long for one segment is put together, in whatever order its portions stand."""
    extension = data_mining("DMI-PROHIBITED", f"<dc:description>{'x' * 200}</dc:description>")
    half = len(extension) // 2
    metadata = read(_extended([(half, extension[half:]), (0, extension[:half])], len(extension)))
    assert (metadata.title, metadata.description, metadata.problems) == ("Dünen", "x" * 200, ())
    assert [signal.use for signal in metadata.signals] == [Use.PROHIBITED]
    assert metadata.xmp == TITLED


def test_incomplete_extended_xmp() -> None:
    """A portion that is missing is said, and a prohibition in the others still counts."""
    extension = data_mining("DMI-PROHIBITED")
    metadata = read(_extended([(0, extension[:-30])], len(extension)))
    assert [signal.found_in for signal in metadata.signals] == ["xmp (not readable)"]
    assert metadata.problems[0].startswith("extended XMP is incomplete")


def test_a_second_packet_cannot_hide_a_reservation() -> None:
    """Pillow hands over a JPEG's last packet only; the reservations of all of them count."""
    header = b"http://ns.adobe.com/xap/1.0/\0"
    packets = [(0xE1, header + data_mining(term)) for term in ("DMI-PROHIBITED", "DMI-ALLOWED")]
    metadata = read(files.with_segments(image_file("JPEG"), *packets))
    assert {signal.use for signal in metadata.signals} == {Use.PROHIBITED, Use.ALLOWED}


def test_a_huge_packet_is_not_kept() -> None:
    """A packet above the limit is neither kept nor parsed, but its prohibition counts."""
    body = data_mining("DMI-PROHIBITED", f"<dc:title>{'x' * LARGEST_PACKET}</dc:title>")
    metadata = read(files.png_with_last_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + body))
    assert metadata.xmp is None
    assert [(signal.use, signal.found_in) for signal in metadata.signals] == [(Use.PROHIBITED, "xmp (not readable)")]
    assert "neither read nor kept" in metadata.problems[0]


MEANINGS: dict[str, list[tuple[Category, Use]]] = {
    "DMI-UNSPECIFIED": [(Category.ALL, Use.UNSPECIFIED)],
    "DMI-ALLOWED": [(Category.ALL, Use.ALLOWED)],
    "DMI-PROHIBITED-AIMLTRAINING": [(Category.AI_TRAINING, Use.PROHIBITED)],
    "DMI-PROHIBITED-GENAIMLTRAINING": [(Category.GENERATIVE_TRAINING, Use.PROHIBITED)],
    "DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING": [(Category.ALL, Use.PROHIBITED), (Category.SEARCH, Use.ALLOWED)],
    "DMI-PROHIBITED": [(Category.ALL, Use.PROHIBITED)],
    "DMI-PROHIBITED-SEECONSTRAINT": [(Category.ALL, Use.PROHIBITED)],
    "DMI-PROHIBITED-SEEEMBEDDEDRIGHTSEXPR": [(Category.ALL, Use.PROHIBITED)],
    "DMI-PROHIBITED-SEELINKEDRIGHTSEXPR": [(Category.ALL, Use.PROHIBITED)],
    "DMI-PROHIBITED-ON-TUESDAYS": [(Category.ALL, Use.PROHIBITED)],
    "DMI-SOMETHING-NEW": [(Category.ALL, Use.UNCLEAR)],
    "no": [(Category.ALL, Use.UNCLEAR)],
}


def test_the_vocabulary_is_covered() -> None:
    """The table of meanings above has every value of the vocabulary."""
    assert set(plus.VALUES) <= set(MEANINGS)


@pytest.mark.parametrize("prefix", ["", VOCABULARY, "https://ns.useplus.org/ldf/vocab/"])
@pytest.mark.parametrize("term", MEANINGS)
def test_plus_data_mining(term: str, prefix: str) -> None:
    """Each value means what the vocabulary says, as an address and in short; the raw value is kept;
    unknown prohibitions hold.
    """
    metadata = read(image_file("WEBP", xmp=data_mining(prefix + term)))
    assert [(signal.category, signal.use) for signal in metadata.signals] == MEANINGS[term]
    assert {(signal.protocol, signal.raw, signal.found_in) for signal in metadata.signals} == {
        (Protocol.PLUS, prefix + term, "xmp")
    }


EXPRESSIONS = (
    "<plus:OtherConstraints><rdf:Alt><rdf:li xml:lang='x-default'>only for teaching</rdf:li></rdf:Alt></plus:OtherConstraints>"
    "<Iptc4xmpExt:EmbdEncRightsExpr><rdf:Bag><rdf:li rdf:parseType='Resource'><Iptc4xmpExt:EncRightsExpr>{odrl}"
    "</Iptc4xmpExt:EncRightsExpr></rdf:li></rdf:Bag></Iptc4xmpExt:EmbdEncRightsExpr>"
    "<Iptc4xmpExt:LinkedEncRightsExpr><rdf:Bag><rdf:li><rdf:Description Iptc4xmpExt:LinkedRightsExpr='https://a.example/odrl'/>"
    "</rdf:li></rdf:Bag></Iptc4xmpExt:LinkedEncRightsExpr>"
)


def plus_constraints(metadata: EmbeddedMetadata) -> list[str | None]:
    """The constraint of each signal that is a value of ``plus:DataMining``."""
    return [signal.constraint for signal in metadata.signals if signal.protocol is Protocol.PLUS]


def words_not_understood(metadata: EmbeddedMetadata) -> list[str]:
    """The file's own words about rights, all of them unclear, sorted."""
    words = [signal for signal in metadata.signals if signal.protocol is Protocol.WORDS]
    assert {signal.use for signal in words} <= {Use.UNCLEAR}
    return sorted(signal.raw for signal in words)


@pytest.mark.parametrize(
    ("term", "constraint"),
    [
        ("DMI-PROHIBITED-SEECONSTRAINT", "only for teaching"),
        ("DMI-PROHIBITED-SEEEMBEDDEDRIGHTSEXPR", "{odrl}"),
        ("DMI-PROHIBITED-SEELINKEDRIGHTSEXPR", "https://a.example/odrl"),
        ("DMI-ALLOWED", None),
    ],
)
def test_constraint_beside_a_prohibition(term: str, constraint: str | None) -> None:
    """A value that points to a condition brings that condition with it; the words of the condition
    are a signal of their own, whatever the value is.
    """
    metadata = read(image_file("JPEG", xmp=data_mining(VOCABULARY + term, EXPRESSIONS)))
    assert plus_constraints(metadata) == [constraint]
    assert words_not_understood(metadata) == ["only for teaching"]


@pytest.mark.parametrize("term", ["DMI-PROHIBITED-SEECONSTRAINT", "dmi-prohibited-seeconstraint/"])
def test_a_constraint_in_the_terms_of_use_is_seen(term: str) -> None:
    """Where PLUS's own property for it is missing; where neither is there, that is said."""
    terms = "<xmpRights:UsageTerms>Ask first</xmpRights:UsageTerms>"
    metadata = read(image_file("JPEG", xmp=data_mining(VOCABULARY + term, terms)))
    assert plus_constraints(metadata) == ["Ask first"]
    assert words_not_understood(metadata) == ["Ask first"]
    assert metadata.problems == ("usage terms in xmp: not understood, so the work is unclear: 'Ask first'",)
    both = read(image_file("JPEG", xmp=data_mining(VOCABULARY + term, terms + EXPRESSIONS)))
    assert plus_constraints(both) == ["only for teaching"]
    assert words_not_understood(both) == ["Ask first", "only for teaching"]
    neither = read(image_file("JPEG", xmp=data_mining(VOCABULARY + term)))
    assert [signal.constraint for signal in neither.signals] == [None]
    assert neither.problems == (
        "plus:DataMining is DMI-PROHIBITED-SEECONSTRAINT, and there is nothing to see in plus:OtherConstraints or "
        "xmpRights:UsageTerms",
    )


FULL = EmbeddedMetadata(
    creator="Ada",
    title="x",
    fields={"xmp": {"dc:creator": "Ada", "dc:title": "x"}},
    xmp=b"\0\xff packet",
    signals=(RightsSignal(Protocol.PLUS, Category.ALL, Use.PROHIBITED, None, "DMI-PROHIBITED", "xmp"),),
    problems=("one", "two"),
)


@pytest.mark.parametrize("metadata", [NOTHING, FULL])
def test_travels_as_json(metadata: EmbeddedMetadata) -> None:
    """Metadata come back from JSON as they were."""
    assert EmbeddedMetadata.from_json(json.loads(json.dumps(metadata.to_json()))) == metadata
    assert metadata.is_empty == (metadata is NOTHING)


@pytest.mark.parametrize(
    "change",
    [{"xmp": "not base64!"}, {"signals": [{"protocol": "x"}]}, {"c2pa": {"x": 1}}, {"unknown": 1}, {"problems": None}],
)
def test_other_json_is_refused(change: dict[str, Any]) -> None:
    """JSON that to_json() did not make is an error of the tree, not a crash."""
    with pytest.raises(InputError, match="no embedded metadata"):
        EmbeddedMetadata.from_json(NOTHING.to_json() | change)


def test_a_missing_extra_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without c2pa-python a manifest is not silently passed over."""
    monkeypatch.setitem(sys.modules, "c2pa", None)
    metadata = read(files.with_segments(image_file("JPEG"), (0xEB, b"JP\0\1\0\0\0\1\0\0\0\x20jumb\0\0\0\x18jumdc2pa")))
    assert metadata.c2pa is None
    assert len(metadata.problems) == 1
    assert "install creditline[c2pa]" in metadata.problems[0]
