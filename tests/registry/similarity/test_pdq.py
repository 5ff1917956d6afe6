"""Fingerprints: copies stay near, other pictures far, and what cannot be compared says so."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from registry.errors import InputError
from registry.image_files.opening import LARGEST_SIDE
from registry.similarity.pdq import (
    LEAST_QUALITY,
    MATCH_DISTANCE,
    Fingerprint,
    NotComparable,
    distance,
    fingerprint_bytes,
    fingerprint_of,
    words_of,
)
from tests.support.works import png_header


def scene(seed: int = 0, width: int = 640, height: int = 480) -> Image.Image:
    """A picture with detail at every scale, as photographs have."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for cells in (3, 6, 12, 24, 48):
        noise = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float64) / cells**0.5
    total -= total.min()
    return Image.fromarray((total * (255 / total.max())).astype(np.uint8))


def encoded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def of_bytes(data: bytes) -> Fingerprint:
    found = fingerprint_bytes(data)
    assert isinstance(found, Fingerprint), found
    return found


def reason(data: bytes) -> str:
    found = fingerprint_bytes(data)
    assert isinstance(found, NotComparable)
    assert "\n" not in found.reason
    return found.reason


@pytest.mark.parametrize("size", [(64, 64), (200, 300), (640, 480), (1_500, 1_100)])
def test_the_hash_is_that_of_the_definition(size: tuple[int, int]) -> None:
    """Signs and quality follow the published description, computed here sum by sum on the 64 x 64
    grid of a picture.
    """
    grid = np.asarray(scene(3, 64, 64).convert("L"), dtype=np.float64)
    picture = Image.fromarray(grid.astype(np.uint8)).resize((64 * 16, 64 * 16), Image.Resampling.NEAREST)
    found = fingerprint_of(picture)
    k, x = np.arange(1, 17)[:, None], np.arange(64)[None, :]
    cosines = np.sqrt(2 / 64) * np.cos(np.pi / 128 * k * (2 * x + 1))
    frequencies = np.einsum("ia,ab,jb->ij", cosines, grid, cosines)
    signs = (frequencies > np.median(frequencies)).ravel()
    expected = sum(1 << index for index, sign in enumerate(signs.tolist()) if sign)
    assert (int.from_bytes(found.bits, "big") ^ expected).bit_count() <= 24
    assert distance(fingerprint_of(scene(3, *size)), fingerprint_of(scene(3, 64 * 10, 64 * 10))) <= 16


def waves(width: int, height: int, period: int, contrast: int) -> Image.Image:
    """Three triangle waves across each other, in integers: the same picture with any library."""
    y, x = np.ogrid[:height, :width]
    phases = ((3 * x + y, period), (x * y // 64, 3 * period), (5 * y - 2 * x, 2 * period))
    total = sum(np.abs(phase % (2 * half) - half) * 255 // half for phase, half in phases) // 3
    return Image.fromarray((total * contrast // 100).astype(np.uint8))


@pytest.mark.parametrize(
    ("picture", "reference", "quality", "most"),
    [
        ((128, 160, 70, 100), "c01e949ce91ede9cf55eca1cf59eeb5cff9eab5c02de001b0148001daab07fe0", 100, 0),
        ((300, 200, 90, 100), "03fda9586bfda1f8e9fdabf831accb58babdeb78aaed030781020356d6045401", 100, 0),
        ((640, 480, 400, 30), "5792a4a568f6992532fa756aab52349e690e966d7ddab3a57c5ae08704095553", 19, 0),
        ((1_020, 700, 300, 100), "715dabf8d57daab852aa255afad6e5b48b6426c8a98d0317a87103c75e03f407", 100, 0),
        ((1_500, 1_100, 500, 100), "55aaa55a4ad694942da4db64366cccc8399d67398e7d70e783c315a7eb030a57", 100, 4),
    ],
)
def test_bits_and_quality_are_those_of_pdqs_own_code(
    picture: tuple[int, int, int, int], reference: str, quality: int, most: int
) -> None:
    """So hashes can be exchanged with other users of PDQ. The values are those of PDQ's C++ code
    for these pictures, by way of the Python package pdqhash 0.2.8; a few bits may differ for a
    picture that is shrunk first.
    """
    found = fingerprint_of(waves(*picture))
    assert found.quality == quality
    assert distance(found, Fingerprint(bytes.fromhex(reference), quality)) <= most


@pytest.mark.parametrize("seed", range(5))
def test_a_fingerprint_has_as_many_ones_as_zeros(seed: int) -> None:
    """The threshold is the median, so each picture's bits are balanced."""
    assert int.from_bytes(fingerprint_of(scene(seed)).bits, "big").bit_count() == 128


@pytest.mark.parametrize("seed", range(4))
def test_copies_match(seed: int) -> None:
    """Saved again, resized, made grey, lighter or duller, a picture is still found."""
    original = scene(seed)
    copies = [
        Image.open(io.BytesIO(encoded(original, "JPEG", quality=50))),
        Image.open(io.BytesIO(encoded(original, "WEBP", quality=50))),
        original.resize((320, 240)),
        original.resize((1_280, 960)),
        original.resize((500, 500)),
        original.convert("L"),
        ImageEnhance.Brightness(original).enhance(0.8),
        ImageEnhance.Contrast(original).enhance(0.7),
    ]
    assert max(distance(fingerprint_of(original), fingerprint_of(copy)) for copy in copies) <= MATCH_DISTANCE


def test_different_pictures_do_not_match() -> None:
    """Unrelated pictures differ in about half of the bits."""
    found = [fingerprint_of(scene(seed, 128, 128)) for seed in range(30)]
    distances = [distance(a, b) for index, a in enumerate(found) for b in found[:index]]
    assert min(distances) > 2 * MATCH_DISTANCE
    assert 118 < np.mean(distances) < 138


@pytest.mark.slow
def test_a_large_jpeg_decoded_small_has_the_same_fingerprint() -> None:
    """Decoding at a fraction of the size changes next to nothing, and really is done."""
    data = encoded(scene(0, 2_400, 1_800), "JPEG", quality=90)
    with Image.open(io.BytesIO(data)) as image:
        reduced = fingerprint_of(image)
        assert image.width < 2_400
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert distance(reduced, fingerprint_of(image)) <= 6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_hashed_as_it_is_shown(orientation: int) -> None:
    """A JPEG that EXIF turns has the fingerprint of the turned picture."""
    original = scene(1, 600, 400)
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = original.transpose(undo[orientation]) if orientation in undo else original
    exif = Image.Exif()
    exif[0x0112] = orientation
    for file_format in ("JPEG", "PNG"):
        found = of_bytes(encoded(stored, file_format, exif=exif))
        assert distance(found, fingerprint_of(original)) <= 16


def test_transparent_parts_are_white() -> None:
    """What is under full transparency does not count, in RGBA, LA and palettes, large or small."""
    for size in (200, 1_200):
        hidden = scene(2, size, size).convert("RGBA")
        mask = Image.new("L", (size, size), 0)
        mask.paste(255, (size // 4, size // 4, 3 * size // 4, 3 * size // 4))
        hidden.putalpha(mask)
        shown = Image.new("RGB", (size, size), "white")
        shown.paste(hidden, mask=mask)
        assert distance(of_bytes(encoded(hidden, "PNG")), fingerprint_of(shown)) <= 8
        assert distance(fingerprint_of(hidden.convert("LA")), fingerprint_of(shown)) <= 8
        assert distance(fingerprint_of(hidden.quantize(256)), fingerprint_of(shown)) <= MATCH_DISTANCE


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "YCbCr", "HSV", "LAB", "I", "F", "I;16", "RGBX", "RGBa"])
def test_every_colour_model_gives_the_same_picture(mode: str) -> None:
    """The model in which a picture is stored is not what it looks like."""
    original = scene(4, 200, 200)
    if mode == "I;16":
        stored = Image.fromarray(np.asarray(original.convert("L")).astype(np.uint16) * 257)
    elif mode == "LAB":
        stored = Image.merge("LAB", (original.convert("L"), *[Image.new("L", original.size, 128)] * 2))
    elif mode in {"I", "F"}:
        stored = original.convert("L").convert(mode)
    else:
        stored = original.convert("RGBA").convert("RGBa") if mode == "RGBa" else original.convert(mode)
    assert stored.mode == mode
    assert distance(fingerprint_of(stored), fingerprint_of(original)) <= MATCH_DISTANCE


def test_floats_that_are_no_numbers_do_no_harm() -> None:
    """A picture of floats with infinities and NaN still has a fingerprint."""
    values = np.asarray(scene(5, 64, 64).convert("L"), dtype=np.float32).copy()
    values[0, :4] = [np.nan, np.inf, -np.inf, 1e38]
    assert isinstance(fingerprint_of(Image.fromarray(values)), Fingerprint)


@pytest.mark.parametrize("size", [(1, 1), (1, 5_000), (16_384, 1), (3, 2), (63, 65), (127, 1_025)])
def test_every_shape_has_a_fingerprint(size: tuple[int, int]) -> None:
    """The thinnest and smallest pictures are hashed in bounded space, or told to be too plain."""
    assert isinstance(fingerprint_of(scene(6).resize(size)), Fingerprint)


@pytest.mark.parametrize("colour", [0, 127, 255])
def test_a_plain_picture_is_not_comparable(colour: int) -> None:
    """Flat pictures would match each other: they are told apart as not comparable, with the
    reason.
    """
    assert "too little detail" in reason(encoded(Image.new("L", (300, 200), colour), "PNG"))


def test_a_faint_gradient_is_not_comparable() -> None:
    """A sky is no work to be recognised by its hash."""
    gradient = Image.linear_gradient("L").resize((400, 400))
    assert fingerprint_of(gradient).quality < LEAST_QUALITY
    assert "quality" in reason(encoded(gradient, "PNG"))


def test_what_is_no_picture_is_told() -> None:
    """Damage, bombs and other files end in a reason, never in an exception."""
    good = encoded(scene(7), "PNG")
    assert "cannot be decoded" in reason(b"")
    assert "object at" not in reason(b"no picture")
    assert "cannot be decoded" in reason(b"GIF89a" + bytes(50))
    assert "cannot be decoded" in reason(good[: len(good) // 2])
    assert "at most" in reason(png_header(LARGEST_SIDE + 1, 1))
    assert "pixels" in reason(png_header(16_000, 16_000))


def test_too_many_pixels_are_refused_before_decoding() -> None:
    """The limit holds for an opened picture too."""
    with pytest.raises(InputError, match="pixels"):
        fingerprint_of(Image.new("1", (LARGEST_SIDE + 1, 1)))


@pytest.mark.parametrize(("bits", "quality"), [(b"", 50), (bytes(33), 50), (bytes(32), -1), (bytes(32), 101)])
def test_a_wrong_fingerprint_is_refused(bits: bytes, quality: int) -> None:
    """A stored fingerprint that was altered in length or quality does not come back as one."""
    with pytest.raises(InputError):
        Fingerprint(bits, quality)


def test_words_keep_distances() -> None:
    """The words that the search works on differ in the same bits."""
    found = [fingerprint_of(scene(seed, 128, 128)) for seed in range(5)]
    words = words_of(found)
    assert words.shape == (5, 4)
    for i, a in enumerate(found):
        for j, b in enumerate(found):
            assert int(np.bitwise_count(words[i] ^ words[j]).sum()) == distance(a, b)
    assert words_of([]).shape == (0, 4)
