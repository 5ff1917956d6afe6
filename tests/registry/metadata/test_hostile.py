"""Nothing that a file may contain makes reading its metadata fail, hang, or hand on what no listing
should show.
"""

from __future__ import annotations

import io
import json
import re
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from registry.metadata import EmbeddedMetadata, read_embedded
from registry.metadata.blocks import photoshop_resources
from registry.metadata.byte_text import from_windows
from registry.metadata.exif import read_exif
from registry.metadata.iptc import read_iptc
from registry.metadata.values import LONGEST_VALUE, MOST_PROBLEMS, Problems
from registry.metadata.xmp import read_xmp
from tests.registry.metadata import files

SECONDS = 5.0
"""Of processor time, far more than any of these needs; a test that is exponential or quadratic in
its input takes far longer."""

PACKET = files.data_mining(
    "DMI-PROHIBITED", "<dc:title><rdf:Alt><rdf:li xml:lang='x-default'>a</rdf:li></rdf:Alt></dc:title>"
)
EXIF = files.exif(Artist="Ada", Copyright="(c)", XPTitle="a".encode("utf-16-le")).tobytes()
IPTC = files.iim(files.UTF8_MARK, (2, 80, b"Ada"), (2, 120, b"x" * 300))
RESOURCES = files.photoshop_resource(IPTC)
SEGMENTS = ((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + PACKET), (0xE1, EXIF), (0xED, b"Photoshop 3.0\0" + RESOURCES))


def _signed() -> tuple[bytes, ...]:
    """Files with Content Credentials, where they can be made."""
    if find_spec("c2pa") is None or find_spec("cryptography") is None:
        return ()
    from tests.registry.metadata.signing import signed
    from tests.registry.metadata.test_content_credentials import CAWG

    return tuple(signed(files.image_file(name), f"image/{name.lower()}", CAWG) for name in ("JPEG", "PNG"))


VALID = (
    files.with_segments(files.image_file("JPEG"), *SEGMENTS),
    files.with_xmp("PNG", PACKET, files.exif(Artist="Ada")),
    files.png_with_last_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + PACKET),
    files.with_xmp("WEBP", PACKET, files.exif(Artist="Ada")),
    files.with_xmp("TIFF", PACKET, files.exif(Artist="Ada")),
    files.with_xmp("AVIF", PACKET, files.exif(Artist="Ada")),
    files.gif_with_xmp(PACKET),
    *_signed(),
)
FUZZED = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
UNSHOWN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

Mutation = tuple[float, int, bytes]
MUTATIONS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), st.binary(max_size=12)), min_size=1, max_size=6)


def mutated(data: bytes, mutations: list[Mutation]) -> bytes:
    """The data with pieces replaced: where (as a share of the length), how many bytes, and by
    what.
    """
    for where, length, piece in mutations:
        start = int(where * len(data))
        data = data[:start] + piece + data[start + length :]
    return data


def check_fields(fields: dict[str, str]) -> None:
    for value in fields.values():
        assert 0 < len(value) <= LONGEST_VALUE
        assert not UNSHOWN.search(value)


def check(metadata: EmbeddedMetadata) -> None:
    for fields in metadata.fields.values():
        check_fields(dict(fields))
    assert len(metadata.problems) <= MOST_PROBLEMS
    assert not any("\n" in line or UNSHOWN.search(line) for line in metadata.problems)
    assert EmbeddedMetadata.from_json(json.loads(json.dumps(metadata.to_json()))) == metadata


def _xmp(data: bytes, problems: Problems) -> dict[str, str]:
    return read_xmp(data, problems).fields


def _resources(data: bytes, problems: Problems) -> dict[str, str]:
    return {name: value for _, block in photoshop_resources(data) for name, value in read_iptc(block, problems).items()}


PARSERS: dict[str, tuple[Callable[[bytes, Problems], dict[str, str]], bytes]] = {
    "xmp": (_xmp, PACKET),
    "exif": (read_exif, EXIF),
    "iptc": (read_iptc, IPTC),
    "photoshop": (_resources, RESOURCES),
}


@pytest.mark.parametrize("name", PARSERS)
@FUZZED
@given(data=st.binary(max_size=400), mutations=MUTATIONS)
def test_parsers_take_anything(name: str, data: bytes, mutations: list[Mutation]) -> None:
    """Random bytes and damaged blocks never raise, never take long, and yield only clean values."""
    parser, valid = PARSERS[name]
    for block in (data, mutated(valid, mutations)):
        started = time.process_time()
        check_fields(parser(block, Problems()))
        assert time.process_time() - started < SECONDS


@pytest.mark.parametrize("number", range(len(VALID)))
@FUZZED
@given(mutations=MUTATIONS)
def test_damaged_files(number: int, mutations: list[Mutation]) -> None:
    """Whatever is damaged in a file that Pillow still opens, reading it never raises and never
    takes long.
    """
    data = mutated(VALID[number], mutations)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = Image.open(io.BytesIO(data))
        except Exception:  # that is intake's business: it refuses the file
            return
    started = time.process_time()
    check(read_embedded(image, data))
    assert time.process_time() - started < SECONDS


@FUZZED
@given(data=st.binary(max_size=300), number=st.integers(0, len(VALID) - 1))
def test_a_file_that_is_not_the_opened_one(data: bytes, number: int) -> None:
    """Even bytes of another file than the opened one do not make it raise."""
    with Image.open(io.BytesIO(VALID[number])) as image:
        check(read_embedded(image, data))


@FUZZED
@given(text=st.text(max_size=200))
def test_any_title_comes_back_clean(text: str) -> None:
    """What a title may hold: everything shown of it is kept, in order, and nothing else."""
    escaped = "".join(
        f"&#{ord(each)};" for each in text if each in "\t\n\r" or (each >= " " and each not in "\ufffe\uffff")
    )
    problems = Problems()
    found = read_xmp(files.packet(f"<dc:title>{escaped}</dc:title>").encode(), problems).fields
    check_fields(found)
    letters = [each for each in from_windows(text) if each.isalnum()]
    assert [each for each in found.get("dc:title", "") if each.isalnum()] == letters


LARGE = {
    "exif": (read_exif, b"Exif\0\0II*\0\x08\0\0\0" + b"\xff\xff" + b"\x3b\x01\x02\0\xff\xff\0\0\x08\0\0\0" * 65_535),
    "iptc": (read_iptc, files.iim((2, 80, b"x")) * 150_000),
    "iptc names": (read_iptc, files.iim((2, 120, b"\xe9" * 32_000)) * 30),
    "xmp attributes": (_xmp, files.packet(attributes=" ".join(f'plus:a{n}="x"' for n in range(60_000))).encode()),
    "xmp namespaces": (
        _xmp,
        files.packet(attributes=" ".join(f'xmlns:n{n}="urn:{n}"' for n in range(30_000))).encode(),
    ),
    "xmp lines": (_xmp, files.packet("\n" * 1_000_000).encode()),
    "xmp nested values": (
        _xmp,
        files.packet(("<plus:DataMining>" * 50 + "x" * 900 + "</plus:DataMining>" * 50) * 350).encode(),
    ),
}


@pytest.mark.parametrize("name", LARGE)
def test_large_blocks_take_bounded_time(name: str) -> None:
    """Blocks of up to a mebibyte, made of whatever costs most, are done with soon."""
    parser, block = LARGE[name]
    started = time.process_time()
    check_fields(parser(block, Problems()))
    assert time.process_time() - started < SECONDS
