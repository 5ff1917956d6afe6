"""How much damage inside image data ``register --decode`` finds, format by format.

Damage: one flipped bit, 64 zeroed bytes, a zeroed tenth of the file, or the last half of the
compressed data cut away with the end of the file put back. Good files of many encoder settings must
all be taken.

    python -m benchmarks.register.decode_damage
"""

from __future__ import annotations

import io
import itertools
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.record import conclude
from registry.image_files.inspection import Refusal, Task, inspect_file

PICTURES = 50
FORMATS: dict[str, dict[str, Any]] = {
    "JPEG baseline": {"format": "JPEG", "quality": 85},
    "JPEG progressive": {"format": "JPEG", "quality": 85, "progressive": True},
    "PNG": {"format": "PNG"},
    "WebP lossy": {"format": "WEBP", "quality": 80},
    "WebP lossless": {"format": "WEBP", "lossless": True},
    "AVIF": {"format": "AVIF", "quality": 80},
    "GIF": {"format": "GIF"},
    "TIFF deflate": {"format": "TIFF", "compression": "tiff_adobe_deflate"},
    "JPEG 2000": {"format": "JPEG2000"},
}
TAIL = 2
"""Bytes at the end that stay: JPEG's end marker."""


def picture(generator: np.random.Generator) -> Image.Image:
    """Soft shapes with grain, like a photograph."""
    coarse = Image.fromarray(generator.integers(0, 255, (9, 12, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((256, 192), Image.Resampling.BICUBIC)).astype(int)
    return Image.fromarray((smooth + generator.integers(-9, 10, smooth.shape)).clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image, **options: Any) -> bytes:
    """The image as a file."""
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue()


def damaged(data: bytes, generator: np.random.Generator) -> dict[str, bytes]:
    """The file with each kind of damage, in the last three quarters, where the pixels are."""
    start = len(data) // 4
    place = int(generator.integers(start, len(data) - 100))
    flipped = bytearray(data)
    flipped[place] ^= 1 << int(generator.integers(8))
    zeroed = data[:place] + bytes(64) + data[place + 64 :]
    cut = data[: len(data) // 2] + data[-TAIL:]
    tenth = len(data) // 10
    place = int(generator.integers(start, len(data) - tenth - TAIL))
    gap = data[:place] + bytes(tenth) + data[place + tenth :]
    return {"bit": bytes(flipped), "64 zeros": zeroed, "a tenth zeroed": gap, "cut": cut}


def good(generator: np.random.Generator) -> Iterator[bytes]:
    """JPEGs of every setting that Pillow's encoder has, and of simplejpeg's."""
    import simplejpeg

    sides = ((64, 48), (33, 17), (8, 8), (1, 1))
    for mode, progressive, subsampling, quality, optimize, restart, size in itertools.product(
        ("RGB", "L", "CMYK"), (False, True), (0, 1, 2, "4:1:1"), (1, 50, 95), (False, True), (0, 1, 5), sides
    ):
        image = picture(generator).resize(size).convert(mode)
        options = {"quality": quality, "progressive": progressive, "optimize": optimize, "subsampling": subsampling}
        yield encoded(image, format="JPEG", restart_marker_blocks=restart, **options)
    for subsampling, quality in itertools.product(("444", "422", "420", "440", "411", "Gray"), (1, 50, 95)):
        pixels = np.ascontiguousarray(np.asarray(picture(generator)))
        colours = {"colorspace": "GRAY", "colorsubsampling": "Gray"} if subsampling == "Gray" else {}
        pixels = pixels[..., :1].copy() if colours else pixels
        yield simplejpeg.encode_jpeg(pixels, quality, **(colours or {"colorsubsampling": subsampling}))


def main() -> int:
    """Count what is found; 1 if a good file is refused or a cut JPEG is taken."""
    generator = np.random.default_rng(0)
    found: dict[str, dict[str, int]] = {}
    with tempfile.TemporaryDirectory() as folder:

        def refused(data: bytes, decode: bool) -> bool:
            Path(folder, "file").write_bytes(data)
            return isinstance(inspect_file(folder, Task("file"), decode), Refusal)

        for name, options in FORMATS.items():
            counts = found.setdefault(name, {})
            for _ in range(PICTURES):
                for kind, data in damaged(encoded(picture(generator), **options), generator).items():
                    for how, decode in (("without", False), ("with", True)):
                        counts[f"{kind}, {how} --decode"] = counts.get(f"{kind}, {how} --decode", 0) + refused(
                            data, decode
                        )
        files = list(good(generator))
        wrong = sum(refused(data, True) for data in files)
    for name, counts in found.items():
        print(f"{name}: {counts}")
    print(f"{wrong} of {len(files)} good JPEGs refused")
    held = wrong == 0 and found["JPEG baseline"]["cut, with --decode"] == PICTURES
    results = {"files_of_each_kind": PICTURES, "found": found, "good_jpegs": len(files), "good_jpegs_refused": wrong}
    claim = "register --decode refuses every cut baseline JPEG and no good JPEG"
    return conclude("register/decode_damage", claim, held, results, ("pillow", "simplejpeg"))


if __name__ == "__main__":
    sys.exit(main())
