"""A statement about rights gives the same answer wherever in a file it stands: every legal position
of every container, and some illegal ones that programs write.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import pytest
from PIL import Image, TiffImagePlugin

from registry.metadata import EmbeddedMetadata
from registry.metadata.blocks import MOST_PACKETS
from registry.signals import Use
from tests.registry.metadata import files
from tests.registry.metadata.files import data_mining, exif, iim, image_file, photoshop_resource, read, with_segments

XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"
PROHIBITED = data_mining("DMI-PROHIBITED", "<dc:rights>Kein KI-Training</dc:rights>")
ALLOWED = data_mining("DMI-ALLOWED")
UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*before: bytes, behind: tuple[bytes, ...] = ()) -> bytes:
    plain = image_file("PNG")
    return plain[:33] + b"".join(before) + plain[33:-12] + b"".join(behind) + plain[-12:]


def png_chunks(packet: bytes) -> dict[str, bytes]:
    """Every chunk that can hold a packet."""
    keyword = b"XML:com.adobe.xmp\0"
    hexadecimal = b"\n%d\n" % len(packet) + packet.hex().encode() + b"\n"
    app1 = XMP_HEADER + packet
    return {
        "iTXt": chunk(b"iTXt", keyword + b"\0\0\0\0" + packet),
        "iTXt compressed": chunk(b"iTXt", keyword + b"\1\0\0\0" + zlib.compress(packet)),
        "iTXt with language": chunk(b"iTXt", keyword + b"\0\0de\0XMP\0" + packet),
        "tEXt": chunk(b"tEXt", keyword + packet),
        "zTXt": chunk(b"zTXt", keyword + b"\0" + zlib.compress(packet)),
        "raw profile xmp": chunk(b"tEXt", b"Raw profile type xmp\0\nxmp" + hexadecimal),
        "raw profile xmp, packed": chunk(b"zTXt", b"Raw profile type xmp\0\0" + zlib.compress(b"\nxmp" + hexadecimal)),
        "raw profile APP1": chunk(
            b"tEXt", b"Raw profile type APP1\0\nAPP1\n%d\n" % len(app1) + app1.hex().encode() + b"\n"
        ),
    }


def riff(*chunks: tuple[bytes, bytes], behind: tuple[tuple[bytes, bytes], ...] = ()) -> bytes:
    """A WebP with further chunks before and behind its pixels."""
    plain = image_file("WEBP", lossless=True)

    def made(parts: tuple[tuple[bytes, bytes], ...]) -> bytes:
        return b"".join(kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1) for kind, body in parts)

    extended = b"VP8X" + struct.pack("<I", 10) + b"\x04\0\0\0" + (23).to_bytes(3, "little") + (15).to_bytes(3, "little")
    body = b"WEBP" + extended + made(chunks) + plain[12:] + made(behind)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff(**fields: bytes) -> bytes:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for name, value in fields.items():
        tag = {"xmp": 700, "iptc": 33723, "photoshop": 34377}[name]
        tags.tagtype[tag] = 1
        tags[tag] = value
    return image_file("TIFF", tiffinfo=tags)


def between_scans(*segments: tuple[int, bytes]) -> bytes:
    """A progressive JPEG with segments between its first and its second scan."""
    data = image_file("JPEG", progressive=True)
    first = data.index(b"\xff\xda")
    at = data.index(b"\xff\xc4", first)
    bodies = b"".join(struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body for marker, body in segments)
    return data[:at] + bodies + data[at:]


def resource(number: int, block: bytes) -> bytes:
    return b"8BIM" + struct.pack(">HHI", number, 0, len(block)) + block + b"\0" * (len(block) & 1)


def positions(packet: bytes, other: bytes) -> dict[str, bytes]:
    """Files with a packet in every position; where several fit, another packet stands beside it."""
    app1, app1_other = (0xE1, XMP_HEADER + packet), (0xE1, XMP_HEADER + other)
    found = {
        "JPEG": with_segments(image_file("JPEG"), app1),
        "JPEG, first of two": with_segments(image_file("JPEG"), app1, app1_other),
        "JPEG, second of two": with_segments(image_file("JPEG"), app1_other, app1),
        "JPEG, between scans": between_scans(app1),
        "JPEG, Photoshop resource": with_segments(
            image_file("JPEG"), (0xED, b"Photoshop 3.0\0" + resource(0x0424, packet))
        ),
        "JPEG, behind a further resource": with_segments(
            image_file("JPEG"),
            (0xED, b"Photoshop 3.0\0" + resource(0x0404, iim((2, 5, b"x"))) + resource(0x0424, packet)),
        ),
        "JPEG, behind its end": image_file("JPEG") + image_file("JPEG", xmp=packet)[2:],
        "PNG, unknown chunk": png(chunk(b"xmPk", packet)),
        "WebP": riff((b"XMP ", packet)),
        "WebP, behind": riff(behind=((b"XMP ", packet),)),
        "WebP, second": riff((b"XMP ", other), behind=((b"XMP ", packet),)),
        "WebP, first": riff((b"XMP ", packet), behind=((b"XMP ", other),)),
        "GIF": files.gif_with_xmp(packet),
        "GIF, behind": files.gif_with_xmp(packet, behind=True),
        "TIFF": tiff(xmp=packet),
        "TIFF, Photoshop resource": tiff(photoshop=resource(0x0424, packet)),
        "TIFF, beside another": tiff(xmp=other, photoshop=resource(0x0424, packet)),
        "AVIF": image_file("AVIF", xmp=packet),
        "AVIF, box of its own": _box(image_file("AVIF"), packet),
        "AVIF, beside another": _box(image_file("AVIF", xmp=other), packet),
        "JPEG 2000": _box(image_file("JPEG2000"), packet),
    }
    for name, data in png_chunks(packet).items():
        found |= {f"PNG {name}, before": png(data), f"PNG {name}, behind": png(behind=(data,))}
        found[f"PNG {name}, beside another"] = png(data, png_chunks(other)["iTXt"])
        found[f"PNG {name}, behind another"] = png(png_chunks(other)["iTXt"], behind=(data,))
    return found


def _box(data: bytes, packet: bytes) -> bytes:
    return data + struct.pack(">I", len(packet) + 24) + b"uuid" + UUID + packet


PLACES = positions(PROHIBITED, ALLOWED)


@pytest.mark.parametrize("place", PLACES)
def test_a_prohibition_counts_in_every_position(place: str) -> None:
    """And the words about rights beside it are read, whatever else the file says."""
    metadata = read(PLACES[place])
    assert Use.PROHIBITED in {signal.use for signal in metadata.signals}
    assert metadata.copyright_notice == "Kein KI-Training"


@pytest.mark.parametrize("place", PLACES)
def test_the_other_packet_counts_too(place: str) -> None:
    """No position shadows another one: with the packets exchanged, the answer is the same."""
    metadata = read(positions(ALLOWED, PROHIBITED)[place])
    beside = "first" in place or "second" in place or "another" in place
    assert {signal.use for signal in metadata.signals} == ({Use.PROHIBITED, Use.ALLOWED} if beside else {Use.ALLOWED})


def test_packets_that_contradict_are_a_finding() -> None:
    """Both statements stay, and the contradiction is named."""
    packets = [data_mining("DMI-ALLOWED", f"<dc:rights>{text}</dc:rights>") for text in ("© Ada", "© Bob")]
    metadata = read(with_segments(image_file("JPEG"), *((0xE1, XMP_HEADER + each) for each in packets)))
    assert metadata.copyright_notice == "© Ada; © Bob"
    assert metadata.problems == ("XMP dc:rights is stated twice and differently: '© Ada' and '© Bob'",)


@pytest.mark.parametrize("order", [(ALLOWED, PROHIBITED), (PROHIBITED, ALLOWED)])
def test_signals_that_contradict_are_a_finding(order: tuple[bytes, bytes]) -> None:
    """Both are kept; the strictest counts, whichever stands first."""
    metadata = read(png(*(png_chunks(each)["tEXt"] for each in order)))
    assert {signal.use for signal in metadata.signals} == {Use.ALLOWED, Use.PROHIBITED}
    assert (
        "signals about all data mining contradict each other: allowed in xmp, prohibited in xmp; the strictest counts"
        in metadata.problems
    )


def test_one_packet_too_many_cannot_hide_a_prohibition() -> None:
    """Beyond the limit, packets are searched instead of read; that is said."""
    fillers = [data_mining("DMI-ALLOWED", f"<dc:title>{number}</dc:title>") for number in range(3 * MOST_PACKETS)]
    for order in ([*fillers, PROHIBITED], [PROHIBITED, *fillers]):
        metadata = read(png(*(png_chunks(each)["tEXt"] for each in order)))
        assert Use.PROHIBITED in {signal.use for signal in metadata.signals}
        assert any("searched for prohibitions only" in line for line in metadata.problems)


def _artist(metadata: EmbeddedMetadata) -> set[str]:
    return set((metadata.creator or "").split("; "))


EXIF = {name: exif(Artist=name).tobytes() for name in ("Ada", "Bob")}
IPTC = {name: iim((2, 80, name.encode())) for name in ("Ada", "Bob")}


@pytest.mark.parametrize(
    "build",
    [
        lambda one, two: with_segments(image_file("JPEG"), (0xE1, EXIF[one]), (0xE1, EXIF[two])),
        lambda one, two: between_scans((0xE1, EXIF[one]), (0xE1, EXIF[two])),
        lambda one, two: png(chunk(b"eXIf", EXIF[one][6:]), behind=(chunk(b"eXIf", EXIF[two][6:]),)),
        lambda one, two: riff((b"EXIF", EXIF[one][6:]), behind=((b"EXIF", EXIF[two]),)),
        lambda one, two: with_segments(
            image_file("JPEG"), *((0xED, b"Photoshop 3.0\0" + photoshop_resource(IPTC[name])) for name in (one, two))
        ),
        lambda one, two: tiff(iptc=IPTC[one], photoshop=photoshop_resource(IPTC[two])),
        lambda one, two: png(*(chunk(b"tEXt", b"Author\0" + name.encode()) for name in (one, two))),
        lambda one, two: png(
            chunk(b"tEXt", b"author\0" + one.encode()), behind=(chunk(b"iTXt", b"Author\0\0\0\0\0" + two.encode()),)
        ),
    ],
)
@pytest.mark.parametrize("order", [("Ada", "Bob"), ("Bob", "Ada")])
def test_two_blocks_of_one_kind_both_count(build: Callable[[str, str], bytes], order: tuple[str, str]) -> None:
    """Whichever stands first, both names are there."""
    assert _artist(read(build(*order))) == {"Ada", "Bob"}


def test_a_block_of_photoshop_in_two_segments_is_one() -> None:
    """A block too long for one segment goes on in the next."""
    block = photoshop_resource(IPTC["Ada"])
    parts = [(0xED, b"Photoshop 3.0\0" + part) for part in (block[:15], block[15:])]
    assert read(with_segments(image_file("JPEG"), *parts)).creator == "Ada"


@pytest.mark.parametrize("image_format", ["JPEG", "GIF"])
def test_a_comment_about_rights_is_kept(image_format: str) -> None:
    """A comment that names a program only is not."""
    for text, notice in (("© Ada, no AI training", "© Ada, no AI training"), ("made by gd-jpeg", None)):
        file = io.BytesIO()
        Image.new("RGB", (8, 8)).save(file, image_format, comment=text.encode())
        assert read(file.getvalue()).copyright_notice == notice


@pytest.mark.parametrize(
    ("elements", "notice"),
    [
        ("<rdf:li xml:lang='x-default'></rdf:li><rdf:li xml:lang='en'>© Ada</rdf:li>", "© Ada"),
        ("<rdf:li xml:lang='x-default'> </rdf:li><rdf:li xml:lang='de'/><rdf:li xml:lang='en'>© Ada</rdf:li>", "© Ada"),
        ("<rdf:li xml:lang='de'>Kein KI-Training</rdf:li><rdf:li xml:lang='x-default'>© Ada</rdf:li>",
         "© Ada; Kein KI-Training"),
        ("<rdf:li>© Ada</rdf:li><rdf:li xml:lang='x-default'/>", "© Ada"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("container", ["Alt", "Seq", "Bag"])
def test_an_empty_language_hides_nothing(elements: str, notice: str, container: str) -> None:
    """Texts about rights are read in every language, the default first."""
    body = files.packet(f"<dc:rights><rdf:{container}>{elements}</rdf:{container}></dc:rights>").encode()
    found = set((read(image_file("JPEG", xmp=body)).copyright_notice or "").split("; "))
    assert found == set(notice.split("; "))


@pytest.mark.parametrize(
    ("element", "use"),
    [
        ("<plus:DataMining>DMI-PROHIBITED</plus:DataMining>", Use.PROHIBITED),
        ("<plus:dataMining>DMI-PROHIBITED</plus:dataMining>", Use.PROHIBITED),
        ("<Iptc4xmpExt:DataMining>DMI-PROHIBITED</Iptc4xmpExt:DataMining>", Use.PROHIBITED),
        ("<o:DataMining xmlns:o='http://ns.useplus.org/ldf/xmp/2.0/'>DMI-PROHIBITED</o:DataMining>", Use.PROHIBITED),
        ("<o:DataMining xmlns:o='https://ns.useplus.org/ldf/xmp/1.0'>no</o:DataMining>", Use.UNCLEAR),
        ("<t:reservation xmlns:t='http://www.w3.org/ns/tdmrep/'>1</t:reservation>", Use.PROHIBITED),
        ("<t:reservation xmlns:t='http://www.w3.org/ns/tdmrep#'>0</t:reservation>", Use.ALLOWED),
        ("<t:reservation xmlns:t='http://www.w3.org/ns/tdmrep/'>yes</t:reservation>", Use.UNCLEAR),
    ],
)
def test_properties_about_mining(element: str, use: Use) -> None:
    """One that is spelt otherwise than its standard says counts, and is named."""
    metadata = read(image_file("PNG", pnginfo=_itxt(files.packet(element))))
    assert {signal.use for signal in metadata.signals} == {use}
    known = "plus:DataMining" in element or ("reservation" in element and use is not Use.UNCLEAR)
    assert bool(metadata.problems) != known


def _itxt(packet: str) -> object:
    from PIL.PngImagePlugin import PngInfo

    found = PngInfo()
    found.add_itxt("XML:com.adobe.xmp", packet)
    return found
