"""A perceptual hash of 256 bits: few differ between copies, half between unrelated pictures.

The hash is PDQ, after its published description (Facebook, "The TMK+PDQF Video-Hashing Algorithm
and the PDQ Image-Hashing Algorithm", 2019): grey, blurred by a tent filter, 64 x 64 pixels, the 16
x 16 lowest frequencies of a cosine transform, each above the median or not. The tests hold bits and
quality to recorded values of PDQ's own code. Measured on photographs of up to 1,024 pixels a side
or so, 19 of 20 had the same bits. Larger pictures are shrunk first, to bound memory, which changes
some bits (median 4, most 14 of 256 at 12 megapixels); sides under 128 pixels are enlarged.

**Limits**, as measured by ``benchmarks/register/fingerprints.py`` on 20 photographs, and on 500
each of CIFAR-10 (32 pixels a side) and emoji (64), in that order. A copy counts as found at
:data:`MATCH_DISTANCE` or less:

- saved again as JPEG of quality 50: 100, 96 and 99 %; of quality 30: 100, 71 and 99 %;
- halved: 89, 72 and 100 %; quartered: 95, 0 and 63 %; doubled: 100 % of all;
- a line of text across it: 95, 98 and 98 %; brighter by 1.3: 100, 98 and 88 %; hue turned by 30
  degrees: 100, 99 and 91 %;
- 2 % cropped: 74, 100 and 95 %; 5 % cropped: 5 to 6 %; turned by 2 degrees: 5, 9 and 44 %;
- **not found**: 10 % or more cropped, turned by 5 degrees or more, or mirrored (unless
  symmetrical).

Of 123,000 pairs of different CIFAR pictures none matched (least distance 92), nor any two
photographs; of 122,000 pairs of emoji one did, two stars of one artist (with a dot and without); at
41 bits it would be four, faces of one style. So a match says that two pictures look alike, not that
one was made from the other, and no match says little about a copy that was cropped or turned.
Pictures with little detail are not compared at all, as the little may be noise.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from registry.errors import InputError
from registry.image_files.inspection import LARGEST_FILE
from registry.image_files.opening import LARGEST_AREA, LARGEST_SIDE, open_image
from registry.messages import plain_reason

LEAST_QUALITY = 50
"""Pictures below it have too few edges to be distinguished; PDQ's authors advise 50."""
MATCH_DISTANCE = 31
"""Bits: at most this many differ between copies. PDQ's authors advise it, too."""

_GRID = 64
_SIDE = 16
_WORKING_SIDE = 512
_SMALLEST_SIDE = 128
# Rows of the discrete cosine transform without the constant one: brightness is not content.
_DCT = np.sqrt(2 / _GRID) * np.cos(
    np.pi / (2 * _GRID) * np.outer(np.arange(1, _SIDE + 1), 2 * np.arange(_GRID) + 1)
).astype(np.float64)


@dataclass(frozen=True)
class Fingerprint:
    """A perceptual hash."""

    bits: bytes
    """32 bytes: 16 x 16 signs, highest frequencies first, so that their hex form is PDQ's own."""
    quality: int
    """0 to 100: how much edge there is to hash."""

    def __post_init__(self) -> None:
        if len(self.bits) != _SIDE * _SIDE // 8 or not 0 <= self.quality <= 100:
            raise InputError("a fingerprint has 32 bytes and a quality of 0 to 100")


@dataclass(frozen=True)
class NotComparable:
    """The reason why a picture has no usable fingerprint."""

    reason: str


def fingerprint_of(image: Image.Image) -> Fingerprint:
    """Hash a picture as it is shown: turned as its EXIF says, transparent parts on white, in grey.

    An ``image`` that was just opened is fastest: a JPEG is decoded at a fraction of its size.

    Raises:
        InputError: more pixels than the registry takes. Pillow's errors for damage pass.
    """
    if max(image.size) > LARGEST_SIDE or image.width * image.height > LARGEST_AREA:
        raise InputError(
            f"{image.width} x {image.height} pixels; at most {LARGEST_SIDE} a side and {LARGEST_AREA:,} in all are taken"
        )
    image.draft("L", (_WORKING_SIDE, _WORKING_SIDE))
    grey = ImageOps.exif_transpose(_grey(image))
    return _hash(_decimate(_working_size(grey)))


def fingerprint_bytes(data: bytes) -> Fingerprint | NotComparable:
    """Hash the picture in a file, or say why it cannot be compared."""
    if len(data) > LARGEST_FILE:
        return NotComparable(f"{len(data):,} bytes, at most {LARGEST_FILE:,} are taken")
    # As in inspection: whatever a hostile file makes Pillow raise is a reason, never a crash.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open_image(data) as image:
                fingerprint = fingerprint_of(image)
    except Exception as error:
        return NotComparable(f"cannot be decoded: {plain_reason(error)}")
    if fingerprint.quality < LEAST_QUALITY:
        return NotComparable(
            f"too little detail to tell it from others: quality {fingerprint.quality}, at least {LEAST_QUALITY} is needed"
        )
    return fingerprint


def distance(first: Fingerprint, second: Fingerprint) -> int:
    """Bits that differ: 0 to 256, about 128 for unrelated pictures."""
    return (int.from_bytes(first.bits, "big") ^ int.from_bytes(second.bits, "big")).bit_count()


def words_of(fingerprints: list[Fingerprint]) -> NDArray[np.uint64]:
    """Fingerprints as rows of four 64-bit words, for :mod:`registry.similarity.hamming_join`."""
    joined = b"".join(fingerprint.bits for fingerprint in fingerprints)
    return np.frombuffer(joined, dtype=">u8").reshape(-1, 4).astype(np.uint64)


def _grey(image: Image.Image) -> Image.Image:
    """The picture in 8-bit grey, with its EXIF: deep modes scaled, transparent parts on white."""
    image.load()
    exif = image.getexif()
    if image.mode in {"I", "F"} or image.mode.startswith("I;16"):
        grey = _scaled(image)
    elif image.has_transparency_data:
        # Shrunk first: four channels of a large picture are not copied at full size.
        shown = _shrink(image.convert("RGBA") if image.mode != "RGBA" else image)
        grey = Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown).convert("L")
    elif image.mode in {"RGB", "L", "CMYK", "YCbCr"}:
        grey = _shrink(image).convert("RGB").convert("L")
    else:
        grey = image.convert("RGB").convert("L")
    grey.getexif().update(exif)
    return grey


def _scaled(image: Image.Image) -> Image.Image:
    """Scales all values to 0..255, which the hash ignores: it depends on signs alone."""
    sixteen_bit = image.mode.startswith("I;16")
    # Shrunk first, as eight bytes a pixel are used after.
    small = _shrink(image.convert("I") if sixteen_bit else image)
    values = np.nan_to_num(np.asarray(small, dtype=np.float64), posinf=0.0, neginf=0.0)
    low, high = (0.0, 65_535.0) if sixteen_bit else (float(values.min()), float(values.max()))
    scale = 255 / (high - low) if high > low else 0.0
    return Image.fromarray(((values - low) * scale).clip(0, 255).astype(np.uint8))


def _shrink(image: Image.Image) -> Image.Image:
    factors = max(1, image.width // _WORKING_SIDE), max(1, image.height // _WORKING_SIDE)
    return image if factors == (1, 1) else image.reduce(factors)


def _working_size(grey: Image.Image) -> Image.Image:
    """At least 128 pixels a side, for a grid of 64, and less than 1,024."""
    grey = _shrink(grey)
    size = max(grey.width, _SMALLEST_SIDE), max(grey.height, _SMALLEST_SIDE)
    return grey if size == grey.size else grey.resize(size, Image.Resampling.BICUBIC)


def _decimate(grey: Image.Image) -> NDArray[np.float64]:
    """Blur by two box filters each way (a tent, "Jarosz filter") and take 64 x 64 pixels."""
    values = np.asarray(grey, dtype=np.float64)
    for axis in (0, 1):
        window = -(-values.shape[axis] // (2 * _GRID))
        values = _box(_box(values, axis, window), axis, window)
        size = values.shape[axis]
        values = np.take(values, ((np.arange(_GRID) + 0.5) * size / _GRID).astype(np.int64), axis=axis)
    return values


def _box(values: NDArray[np.float64], axis: int, window: int) -> NDArray[np.float64]:
    """Mean over a window along an axis; at the edges over the part inside."""
    size = values.shape[axis]
    sums = np.insert(np.cumsum(values, axis=axis), 0, 0.0, axis=axis)
    after = (window + 2) // 2
    ends = np.minimum(np.arange(size) + after, size)
    starts = np.maximum(np.arange(size) + after - window, 0)
    shape = (-1, 1) if axis == 0 else (1, -1)
    means: NDArray[np.float64] = (sums.take(ends, axis) - sums.take(starts, axis)) / (ends - starts).reshape(shape)
    return means


def _hash(grid: NDArray[np.float64]) -> Fingerprint:
    steps = [np.abs(np.trunc(np.diff(grid, axis=axis) * 100 / 255)).sum() for axis in (0, 1)]
    frequencies = _DCT @ grid @ _DCT.T
    signs = frequencies > np.median(frequencies)
    return Fingerprint(np.packbits(signs.ravel()[::-1]).tobytes(), min(100, int(sum(steps) / 90)))
