"""Small sets of works with rightsholders, twins among them, and works to double.

``digits`` are MNIST's at 8x8, a rightsholder has works of one class; ``emoji`` are pictures of a
folder with works.csv at 16x16, a rightsholder has works of one house. The last works of a set
are twins: nearly the same pictures as the first works, held by the next rightsholder.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8
from PIL import Image
from torch import Tensor

from attribution.denoisers.pixels import PixelUNet
from attribution.ensemble.recipe import TrainingSettings
from attribution.images import ImageSettings, from_pixels, pixels_of
from benchmarks.papers.digits import load_digits
from registry.encodings.codes import codes_of
from registry.encodings.words import bits

RIGHTSHOLDERS, EACH, TWINS, DOUBLED = 8, 3, 2, 4
"""Twins: works that have one among the works. Doubled: works that a second ensemble has twice."""
MEMBERS, ONES, CODE_SEED = 12, 6, 7
TWIN_NOISE = 4.0
"""Standard deviation, in grey levels, of the difference between a work and its twin."""


@dataclass(frozen=True)
class Set:
    """Works, their rightsholders and codes, and how members train."""

    name: str
    works: UInt8[np.ndarray, "work height width channel"]
    """The works; after them, the second copies of doubled works."""
    rightsholder: Int64[np.ndarray, " work"]
    twins: tuple[tuple[int, int], ...]
    """Works that show nearly the same picture."""
    copy_of: tuple[int, ...]
    """The doubled works, in the order of their copies."""
    network: PixelUNet
    training: TrainingSettings

    @property
    def count(self) -> int:
        """Works without the copies."""
        return len(self.works) - len(self.copy_of)

    def images(self) -> Float[Tensor, "work channel height width"]:
        """The works in [-1, 1]."""
        return from_pixels(self.works)

    def membership(self) -> Bool[np.ndarray, "work member"]:
        """Which member trains on which work; a code does not depend on the number of works."""
        return bits(codes_of(CODE_SEED, MEMBERS, ONES, np.arange(len(self.works))), MEMBERS)


def set_of(name: str, source: Path) -> Set:
    """The set of this name; ``source``: the folder of MNIST's idx files, or of the emoji."""
    generator = np.random.default_rng(3)
    if name == "digits":
        digits = load_digits(source, 8)
        of_class = [np.flatnonzero(digits.labels == label)[:EACH] for label in range(RIGHTSHOLDERS)]
        works = digits.works[np.concatenate(of_class)][..., None].copy()
        network = PixelUNet(size=8, channels=1, widths=(16,), groups=8, patch=4)
    else:
        works = _emoji(source, generator)
        network = PixelUNet(size=16, channels=3, widths=(16,), groups=8, patch=4)
    rightsholder = np.repeat(np.arange(RIGHTSHOLDERS), EACH)
    twins = tuple((k * EACH, ((k + 1) % RIGHTSHOLDERS) * EACH + 1) for k in range(TWINS))
    for one, other in twins:
        works[other] = _nearly(works[one], generator)
    doubled = tuple((TWINS + k) * EACH + 2 for k in range(DOUBLED))
    works = np.concatenate([works, np.stack([_nearly(works[k], generator) for k in doubled])])
    return Set(
        name,
        works,
        np.concatenate([rightsholder, rightsholder[list(doubled)]]),
        twins,
        doubled,
        network,
        TrainingSettings(steps=400, batch_size=8),
    )


def _nearly(work: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Almost the same picture."""
    changed = work + generator.normal(0.0, TWIN_NOISE, work.shape)
    return changed.round().clip(0, 255).astype(np.uint8)


def _emoji(source: Path, generator: np.random.Generator) -> np.ndarray:
    """Three works of each of eight houses, at random."""
    with (source / "works.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    settings, pictures = ImageSettings(size=16), []
    for house in sorted({row["set"] for row in rows})[:RIGHTSHOLDERS]:
        files = sorted(row["file"] for row in rows if row["set"] == house)
        for k in generator.permutation(len(files))[:EACH]:
            with Image.open(source / files[k]) as picture:
                pictures.append(pixels_of(picture, settings))
    return np.stack(pictures)
