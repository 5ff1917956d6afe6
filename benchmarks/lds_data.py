"""The works, held-out pictures and groups that rankers and their peers are compared on."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from attribution.denoisers.pixels import PixelUNet
from attribution.ensemble.recipe import TrainingSettings
from attribution.images import ImageSettings, from_pixels, pixels_of

WORKS, HELD_OUT = 256, 48
OTHER_DIGITS = "other-digits"
CIFAR_SIDE = 32


@dataclass(frozen=True)
class Material:
    """One data set, with the network that is trained on it."""

    name: str
    works: UInt8[np.ndarray, "work height width channel"]
    held_out: UInt8[np.ndarray, "image height width channel"]
    group_of_work: tuple[str, ...]
    """The house or class that a work belongs to: the unit of the leave-one-rightsholder-out
    comparison."""
    network: PixelUNet
    training: TrainingSettings

    def images(self) -> Float[Tensor, "work channel height width"]:
        """The works in [-1, 1]."""
        return from_pixels(self.works)


def material(name: str, source: Path) -> Material:
    """The data set of a name, from where it lies.

    ``digits`` and ``other-digits`` come from the npz of :mod:`benchmarks.peers.digits`, ``emoji``
    from a folder with works.csv, ``cifar`` from a folder with the sheet of CIFAR-10's test images
    and their labels.
    """
    if name == OTHER_DIGITS:
        # Two resolutions and four times as many places: what holds of one network need not hold of
        # another.
        return _digits(source, OTHER_DIGITS, WORKS + HELD_OUT, PixelUNet(8, 1, (16, 24), groups=8, patch=2))
    if name == "digits":
        return _digits(source, name, 0, PixelUNet(size=8, channels=1, widths=(16,), groups=8, patch=4))
    return _emoji(source) if name == "emoji" else _cifar(source)


def _digits(source: Path, name: str, start: int, network: PixelUNet) -> Material:
    """Scikit-learn's 8x8 digits, in an order that was drawn, from some place of it on."""
    with np.load(source, allow_pickle=False) as arrays:
        pixels = np.round(arrays["images"] * (255.0 / 16.0)).astype(np.uint8)[..., None]
        classes = arrays["target"]
    order = np.random.default_rng(0).permutation(len(pixels))
    chosen, rest = np.split(order[start : start + WORKS + HELD_OUT], [WORKS])
    return Material(
        name,
        pixels[chosen],
        pixels[rest],
        tuple(str(int(label)) for label in classes[chosen]),
        network,
        TrainingSettings(steps=600, batch_size=32, common_works=False),
    )


def _emoji(source: Path) -> Material:
    """Colour emoji at 16x16: as many works of each house, drawn at random."""
    with (source / "works.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    houses = sorted({row["set"] for row in rows})
    generator = np.random.default_rng(0)
    settings = ImageSettings(size=16)
    chosen: list[tuple[str, str]] = []
    rest: list[str] = []
    for house in houses:
        files = sorted(row["file"] for row in rows if row["set"] == house)
        order = generator.permutation(len(files))
        share, held = WORKS // len(houses), HELD_OUT // len(houses)
        chosen += [(files[k], house) for k in order[:share]]
        rest += [files[k] for k in order[share : share + held]]

    def read(files: list[str]) -> np.ndarray:
        pictures = []
        for name in files:
            with Image.open(source / name) as picture:
                pictures.append(pixels_of(picture, settings))
        return np.stack(pictures)

    return _in_colour("emoji", read([name for name, _ in chosen]), read(rest), tuple(house for _, house in chosen))


def _cifar(source: Path) -> Material:
    """Photographs at 16x16, drawn at random; network and training are those of the emoji,
    unchanged.
    """
    with Image.open(source / "test.webp") as file:
        sheet = np.asarray(file.convert("RGB"))
    down, across = (length // CIFAR_SIDE for length in sheet.shape[:2])
    pictures = (
        sheet.reshape(down, CIFAR_SIDE, across, CIFAR_SIDE, 3).swapaxes(1, 2).reshape(-1, CIFAR_SIDE, CIFAR_SIDE, 3)
    )
    with np.load(source / "labels.npz", allow_pickle=False) as arrays:
        classes = arrays["names"][arrays["test"]]
    order = np.random.default_rng(0).permutation(len(pictures))
    chosen, rest = np.split(order[: WORKS + HELD_OUT], [WORKS])
    settings = ImageSettings(size=16)

    def small(rows: np.ndarray) -> np.ndarray:
        return np.stack([pixels_of(Image.fromarray(picture), settings) for picture in pictures[rows]])

    return _in_colour("cifar", small(chosen), small(rest), tuple(str(name) for name in classes[chosen]))


def _in_colour(name: str, works: np.ndarray, held_out: np.ndarray, group_of_work: tuple[str, ...]) -> Material:
    """A set of colour pictures at 16x16, all of which are trained alike."""
    return Material(
        name,
        works,
        held_out,
        group_of_work,
        PixelUNet(size=16, channels=3, widths=(16,), groups=8, patch=4),
        TrainingSettings(steps=800, batch_size=32, common_works=False),
    )
