"""Real image files with metadata in them, made here: with Pillow where it writes a block, by hand
where it does not.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from typing import Any

from PIL import Image, PngImagePlugin, TiffImagePlugin

from registry.metadata import EmbeddedMetadata, read_embedded

NAMESPACES = (
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" '
    'xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/" xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"'
)
VOCABULARY = "http://ns.useplus.org/ldf/vocab/"
UTF8_MARK = (1, 90, b"\x1b%G")


def packet(elements: str = "", attributes: str = "") -> str:
    """An XMP packet about the work, with properties as elements and as attributes."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {NAMESPACES} {attributes}>{elements}</rdf:Description>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    )


def data_mining(term: str, more: str = "") -> bytes:
    return packet(f"<plus:DataMining>{term}</plus:DataMining>{more}").encode()


def image_file(image_format: str, **save: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (24, 16), "teal").save(file, image_format, **save)
    return file.getvalue()


def with_xmp(image_format: str, xmp: bytes, block: Image.Exif | None = None) -> bytes:
    """An image with a packet where its format has it, and perhaps with EXIF."""
    options: dict[str, Any] = {}
    if image_format == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode())
    elif image_format == "TIFF":
        options["tiffinfo"] = TiffImagePlugin.ImageFileDirectory_v2()
        options["tiffinfo"].tagtype[700] = 1
        options["tiffinfo"][700] = xmp
        for tag, value in (block or {}).items():
            options["tiffinfo"][tag] = value
    else:
        options["xmp"] = xmp
    if block and image_format != "TIFF":
        options["exif"] = block
    return image_file(image_format, **options)


def exif(**fields: Any) -> Image.Exif:
    tags = {"ImageDescription": 0x010E, "Artist": 0x013B, "Copyright": 0x8298, "XPTitle": 0x9C9B, "XPAuthor": 0x9C9D}
    block = Image.Exif()
    for name, value in fields.items():
        block[tags[name]] = value
    return block


def read(data: bytes) -> EmbeddedMetadata:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's about damage, as at intake; reading metadata must add none
        image = Image.open(io.BytesIO(data))
    with image:
        metadata = read_embedded(image, data)
        assert getattr(image, "_im", None) is None, "pixels were decoded"
    return metadata


def iim(*data_sets: tuple[int, int, bytes]) -> bytes:
    return b"".join(
        struct.pack(">BBBH", 0x1C, record, number, len(value)) + value for record, number, value in data_sets
    )


def photoshop_resource(block: bytes) -> bytes:
    padding = b"\0" * (len(block) & 1)
    return b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(block)) + block + padding


def with_segments(jpeg: bytes, *segments: tuple[int, bytes]) -> bytes:
    """A JPEG with further segments right after its start."""
    bodies = b"".join(struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body for marker, body in segments)
    return jpeg[:2] + bodies + jpeg[2:]


def jpeg_with_iptc(block: bytes) -> bytes:
    return with_segments(image_file("JPEG"), (0xED, b"Photoshop 3.0\0" + photoshop_resource(block)))


def png_with_last_chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG with a chunk behind its pixels, where Pillow does not look when it opens a file."""
    png = image_file("PNG")
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return png[:-12] + chunk + png[-12:]


def gif_with_xmp(xmp: bytes, *, behind: bool = False) -> bytes:
    gif = image_file("GIF")
    trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    block = b"\x21\xff\x0bXMP DataXMP" + xmp + trailer
    start = len(gif) - 1 if behind else 13 + 3 * 2 ** ((gif[10] & 7) + 1)
    return gif[:start] + block + gif[start:]
