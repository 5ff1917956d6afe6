"""Formats that need an extra: read with it, named without it, and never above the limits."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, UnidentifiedImageError

from registry.image_files import jxl_header, opening
from registry.image_files.inspection import Refusal, Task, Work, inspect_bytes
from registry.image_files.opening import LARGEST_SIDE, open_image
from registry.signals import Use
from registry.similarity.pdq import Fingerprint, distance, fingerprint_bytes
from tests.registry.metadata import files
from tests.support.works import picture

pytest.importorskip("pillow_heif")
pytest.importorskip("pillow_jxl")
PROHIBITED = files.data_mining("DMI-PROHIBITED")
EXIF = files.exif(Artist="Zoë Müller".encode()).tobytes()


def encoded(image: Image.Image, name: str, **options: object) -> bytes:
    for each in ("HEIF", "JXL"):
        assert opening._reads(each)
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


@pytest.mark.parametrize(("name", "media_type"), [("HEIF", "image/heic"), ("JXL", "image/jxl")])
@pytest.mark.parametrize("packed", [False, True])
def test_works_are_read_with_their_metadata(name: str, media_type: str, packed: bool) -> None:
    """Dimensions, EXIF and XMP, also where JPEG XL compresses them; and a fingerprint."""
    image = picture(3, side=160)
    options = {"compress_metadata": packed} if name == "JXL" else {}
    data = encoded(image, name, exif=EXIF, xmp=PROHIBITED, **options)
    work = inspect_bytes(Task("a"), data, decode=True)
    assert isinstance(work, Work)
    assert (work.media_type, work.width, work.height) == (media_type, 160, 160)
    assert work.embedded is not None
    assert work.embedded.creator == "Zoë Müller"
    assert [signal.use for signal in work.embedded.signals] == [Use.PROHIBITED]
    assert work.embedded.problems == ()


@pytest.mark.parametrize("name", ["HEIF", "JXL"])
def test_fingerprints_are_those_of_the_picture(name: str) -> None:
    """A copy in another format is found."""
    image = Image.open(io.BytesIO(files.image_file("PNG"))).resize((256, 256))
    image.paste("white", (40, 60, 150, 200))
    image.paste("black", (100, 20, 220, 90))
    found, copy = fingerprint_bytes(encoded(image, "PNG")), fingerprint_bytes(encoded(image, name))
    assert type(found) is type(copy)
    if isinstance(found, Fingerprint) and isinstance(copy, Fingerprint):
        assert distance(found, copy) <= 31


@pytest.mark.parametrize(
    ("name", "words"),
    [("HEIF", "HEIC needs pip install creditline[heif]"), ("JXL", "JPEG XL needs pip install creditline[jxl]")],
)
def test_without_the_extra_the_file_says_what_it_needs(name: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing else is tried on it."""
    data = encoded(picture(1), name)
    opening._reads.cache_clear()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setitem(sys.modules, "pillow_jxl.JpegXLImagePlugin", None)
    try:
        assert inspect_bytes(Task("a"), data) == Refusal("a", words)
    finally:
        opening._reads.cache_clear()


@pytest.mark.parametrize("name", ["HEIF", "JXL"])
def test_too_many_pixels_are_refused_before_they_are_decoded(name: str) -> None:
    """A long strip is enough to be over a side."""
    if name == "JXL":
        data = encoded(Image.new("L", (LARGEST_SIDE + 8, 8)), name)
    else:
        data = encoded(Image.new("RGB", (64, 64)), name).replace(
            b"ispe\0\0\0\0\0\0\0\x40\0\0\0\x40", b"ispe\0\0\0\0\0\1\0\0\0\1\0\0"
        )
    result = inspect_bytes(Task("a"), data)
    assert isinstance(result, Refusal)
    assert "pixels" in result.reason or "damaged" in result.reason


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (64, 48), (256, 256), (300, 200), (1000, 10), (3, 2000), (160, 90)])
@pytest.mark.parametrize("options", [{}, {"exif": EXIF}, {"lossless": True}])
def test_the_header_of_jpeg_xl(size: tuple[int, int], options: dict[str, object]) -> None:
    """Its dimensions are those that the library decodes, bare and in boxes."""
    header = jxl_header.read_jxl_header(encoded(Image.new("RGB", size), "JXL", **options))
    assert (header.width, header.height, header.is_animated) == (*size, False)


@given(data=st.binary(max_size=80), start=st.sampled_from([b"", jxl_header.CODESTREAM, jxl_header.CONTAINER]))
def test_any_header_is_read_or_refused(data: bytes, start: bytes) -> None:
    """Nothing but ValueError; and no size is zero."""
    try:
        header = jxl_header.read_jxl_header(start + data)
    except ValueError:
        return
    assert header.width >= 0
    assert header.height >= 1


@pytest.mark.parametrize("name", ["HEIF", "JXL"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_refused(name: str, share: float) -> None:
    """Wherever it was cut off."""
    data = encoded(picture(5, side=96), name)
    assert isinstance(inspect_bytes(Task("a"), data[: int(len(data) * share)], decode=True), Refusal)


def test_no_other_decoder_is_tried(tmp_path: Path) -> None:
    """A format that Pillow reads, and that is not taken, stays closed."""
    file = tmp_path / "a"
    Image.new("RGB", (4, 4)).save(file, "ICO")
    with pytest.raises(UnidentifiedImageError):
        open_image(file.read_bytes())
