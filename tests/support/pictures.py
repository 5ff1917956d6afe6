"""Pictures with detail like that of photographs, and changed copies of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageOps

from tests.support.works import encoded, write


def scene(seed: int, width: int = 320, height: int = 240) -> Image.Image:
    """A picture with detail at every scale, as photographs have; different for every seed."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for cells in (3, 6, 12, 24, 48):
        noise = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float64) / cells**0.5
    total -= total.min()
    return Image.fromarray((total * (255 / total.max())).astype(np.uint8))


COPIES: Mapping[str, Callable[[Image.Image], bytes]] = MappingProxyType(
    {
        "saved again": lambda image: encoded(image, "JPEG", quality=50),
        "halved": lambda image: encoded(image.resize((image.width // 2, image.height // 2))),
        "mirrored": lambda image: encoded(ImageOps.mirror(image), "JPEG", quality=85),
        "cropped a little": lambda image: encoded(image.crop((2, 2, image.width - 2, image.height - 2))),
    }
)
"""Copies that the search for near duplicates finds."""


def cropped(image: Image.Image) -> bytes:
    """A copy without a fifth of each side, which the search does not find."""
    return encoded(image.crop((image.width // 5, image.height // 5, image.width, image.height)))


def write_scenes(folder: Path, names: list[str], first: int = 0) -> Path:
    """A different picture under each name, below ``folder``."""
    for seed, name in enumerate(names, start=first):
        write(folder / name, encoded(scene(seed)))
    return folder
