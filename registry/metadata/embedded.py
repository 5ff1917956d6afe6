"""Reading the metadata of an image file: EXIF, IPTC-IIM, XMP and C2PA.

    with Image.open(io.BytesIO(data)) as image:
        metadata = read_embedded(image, data)

Files with broken metadata are registered too: unreadable metadata is a line in ``problems``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from PIL import Image

from registry.metadata.blocks import Blocks
from registry.metadata.containers import locate
from registry.metadata.content_credentials import read_credentials
from registry.metadata.exif import read_exif, read_tags
from registry.metadata.iptc import read_iptc
from registry.metadata.rights_words import read_rights_words
from registry.metadata.synthetic import C2PA_SOURCE
from registry.metadata.values import EmbeddedMetadata, Problems, put
from registry.metadata.xmp import read_xmp
from registry.signals import Category, RightsSignal, Use

NOTHING = EmbeddedMetadata()
_MEDIA_TYPES = {"MPO": "image/jpeg"}


UNREAD_CREDENTIALS = "it has a C2PA manifest, which was not read: the library for it ended the process"


def read_embedded(image: Image.Image, data: bytes, *, credentials: bool = True) -> EmbeddedMetadata:
    """The metadata of a file, without decoding its pixels.

    ``image`` is the file, opened and not decoded; ``data`` are its bytes. Without ``credentials``,
    a file with a C2PA manifest gets the problem :data:`UNREAD_CREDENTIALS`.
    """
    problems = Problems()
    blocks = locate(image, data, problems)
    if not blocks.any and not problems.lines:
        return NOTHING
    signals = list(blocks.signals)
    fields = {
        "xmp": _merged("XMP", _read_packets(blocks, signals, problems), problems),
        "iptc": _merged("IPTC", (read_iptc(block, problems) for block in blocks.iptc), problems),
        "exif": _merged("EXIF", _read_exif_blocks(blocks, data, problems), problems),
    }
    for place, name, reading in blocks.texts:
        problems.add_doubt(place.upper(), name, reading.doubt)
        put(fields.setdefault(place, {}), name, reading.text, problems, place.upper())
    signals += read_rights_words(fields, problems)
    found = None
    if blocks.has_c2pa and not credentials:
        problems.add(UNREAD_CREDENTIALS)
    elif blocks.has_c2pa:
        name = str(image.format)
        media_type = _MEDIA_TYPES.get(name) or Image.MIME.get(name, "application/octet-stream")
        found, reserved, sources = read_credentials(data, media_type, problems)
        signals += reserved
        put(fields.setdefault("c2pa", {}), C2PA_SOURCE, "; ".join(sources), problems, "C2PA")
    _add_contradictions(signals, problems)
    return EmbeddedMetadata.gathered(
        fields,
        xmp=blocks.xmp[0] if blocks.xmp else None,
        signals=signals,
        c2pa=found,
        problems=problems.lines,
    )


def _read_packets(blocks: Blocks, signals: list[RightsSignal], problems: Problems) -> Iterator[dict[str, str]]:
    for packet in blocks.xmp:
        content = read_xmp(packet, problems)
        signals += content.signals
        yield content.fields


def _add_contradictions(signals: Iterable[RightsSignal], problems: Problems) -> None:
    """Name the kinds of use that one signal allows and another restricts."""
    places: dict[Category, dict[Use, str]] = {}
    for signal in signals:
        places.setdefault(signal.category, {}).setdefault(signal.use, f"{signal.use} in {signal.found_in}")
    for category, stated in places.items():
        if Use.ALLOWED in stated and stated.keys() & {Use.PROHIBITED, Use.CONSTRAINED, Use.UNCLEAR}:
            said = ", ".join(text for use, text in sorted(stated.items()) if use is not Use.UNSPECIFIED)
            problems.add(f"signals about {category} contradict each other: {said}; the strictest counts")


def _read_exif_blocks(blocks: Blocks, data: bytes, problems: Problems) -> Iterator[dict[str, str]]:
    if blocks.tiff_tags is not None:
        yield read_tags(blocks.tiff_tags, data, problems)
    for block in blocks.exif:
        yield read_exif(block, problems)


def _merged(what: str, found: Iterable[Mapping[str, str]], problems: Problems) -> dict[str, str]:
    """All fields; where blocks of one kind state a field differently, all of its values."""
    fields: dict[str, str] = {}
    for each in found:
        for name, value in each.items():
            if fields.get(name, value) != value:
                problems.add(
                    f"{what} {name} is stated twice and differently: {fields[name][:100]!r} and {value[:100]!r}"
                )
            put(fields, name, value, problems, what)
    return fields
