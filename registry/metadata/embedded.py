"""Reading the metadata of an image file: EXIF, IPTC-IIM, XMP and C2PA.

    with Image.open(io.BytesIO(data)) as image:
        metadata = read_embedded(image, data)

Files with broken metadata are registered too: unreadable metadata is a line in ``problems``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from PIL import Image

from registry.metadata.containers import MOST_PACKETS, Blocks, locate
from registry.metadata.content_credentials import read_credentials
from registry.metadata.exif import read_exif, read_tags
from registry.metadata.iptc import read_iptc
from registry.metadata.plus import prohibitions_in
from registry.metadata.values import LARGEST_PACKET, EmbeddedMetadata, Problems, put
from registry.metadata.xmp import read_xmp
from registry.signals import RightsSignal

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
    signals: list[RightsSignal] = []
    fields = {
        "xmp": _read_packets(blocks, signals, problems),
        "iptc": _merged(read_iptc(block, problems) for block in _bounded("IPTC", blocks.iptc, problems)),
        "exif": _merged(read_exif(block, problems) for block in _bounded("EXIF", blocks.exif, problems)),
        "png": {},
    }
    if blocks.tiff_tags is not None:
        fields["exif"] = {**fields["exif"], **read_tags(blocks.tiff_tags, problems)}
    for name, value in blocks.png.items():
        put(fields["png"], name, value, problems, "PNG")
    found = None
    if blocks.has_c2pa and not credentials:
        problems.add(UNREAD_CREDENTIALS)
    elif blocks.has_c2pa:
        name = str(image.format)
        media_type = _MEDIA_TYPES.get(name) or Image.MIME.get(name, "application/octet-stream")
        found, reserved = read_credentials(data, media_type, problems)
        signals += reserved
    main = blocks.xmp[0] if blocks.xmp else None
    return EmbeddedMetadata.gathered(
        fields,
        xmp=main if main and len(main) <= LARGEST_PACKET else None,
        signals=signals,
        c2pa=found,
        problems=problems.lines,
    )


def _read_packets(blocks: Blocks, signals: list[RightsSignal], problems: Problems) -> dict[str, str]:
    fields: dict[str, str] = {}
    for packet in blocks.xmp:
        if len(packet) > LARGEST_PACKET:
            problems.add(
                f"an XMP packet of {len(packet):,} bytes is neither read nor kept; at most {LARGEST_PACKET:,} are"
            )
            signals += prohibitions_in(packet, "xmp (not readable)")
            continue
        content = read_xmp(packet, problems)
        signals += content.signals
        fields = {**content.fields, **fields}
    return fields


def _bounded(what: str, found: list[bytes], problems: Problems) -> Iterator[bytes]:
    for block in found[:MOST_PACKETS]:
        if len(block) <= LARGEST_PACKET:
            yield block
        else:
            problems.add(f"a block of {what} of {len(block):,} bytes is not read; at most {LARGEST_PACKET:,} are")


def _merged(found: Iterable[dict[str, str]]) -> dict[str, str]:
    """All fields; the first block's value of each."""
    fields: dict[str, str] = {}
    for each in found:
        fields = {**each, **fields}
    return fields
