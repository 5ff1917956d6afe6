"""The works, held-out pictures and groups for comparing rankers."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from attribution.denoisers.pixels import PixelUNet
from attribution.ensemble.recipe import TrainingSettings
from attribution.images import ImageSettings, from_pixels, pixels_of
from benchmarks.papers.digits import scikit_learn_digits
from registry.errors import UsageError

WORKS, HELD_OUT = 256, 48
OTHER_DIGITS = "other-digits"
CIFAR_SIDE = 32


@dataclass(frozen=True)
class Material:
    """One data set, and the network to train on it."""

    name: str
    works: UInt8[np.ndarray, "work height width channel"]
    held_out: UInt8[np.ndarray, "image height width channel"]
    group_of_work: tuple[str, ...]
    """A work's house or class: the unit of the leave-one-rightsholder-out comparison."""
    network: PixelUNet
    training: TrainingSettings

    def images(self) -> Float[Tensor, "work channel height width"]:
        """The works in [-1, 1]."""
        return from_pixels(self.works)


def material(name: str, source: Path | None = None, held_out: int = HELD_OUT) -> Material:
    """The data set of this name; ``held_out``: pictures that are not works, at most.

    ``digits`` and ``other-digits`` are scikit-learn's. ``emoji`` is read from a folder with
    works.csv, ``cifar`` from a folder with a sheet of CIFAR-10's test images and their labels,
    ``flags`` from the unpacked npm package @iconify-json/circle-flags (MIT licence).

    Raises:
        MissingPartError: scikit-learn is not installed.
        UsageError: no folder is named for a data set that needs one.
    """
    if name == OTHER_DIGITS:
        # Two resolutions, four times as many places: other networks may have other results.
        network = PixelUNet(8, 1, (16, 24), groups=8, patch=2)
        return _digits(OTHER_DIGITS, WORKS + HELD_OUT, held_out, network)
    if name == "digits":
        return _digits(name, 0, held_out, PixelUNet(size=8, channels=1, widths=(16,), groups=8, patch=4))
    if source is None:
        raise UsageError(f"{name} needs a folder of pictures: name it with --source")
    return {"emoji": _emoji, "cifar": _cifar, "flags": _flags}[name](source, held_out)


def _digits(name: str, start: int, held_out: int, network: PixelUNet) -> Material:
    """Scikit-learn's 8x8 digits in random order, from place ``start`` on."""
    pixels, classes = scikit_learn_digits()
    pixels = pixels[..., None]
    order = np.random.default_rng(0).permutation(len(pixels))
    chosen, rest = np.split(order[start : start + WORKS + held_out], [WORKS])
    return Material(
        name,
        pixels[chosen],
        pixels[rest],
        tuple(str(int(label)) for label in classes[chosen]),
        network,
        TrainingSettings(steps=600, batch_size=32, common_works=False),
    )


def _emoji(source: Path, held_out: int) -> Material:
    """Colour emoji at 16x16, equally many works of each house, at random."""
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
        share, held = WORKS // len(houses), held_out // len(houses)
        chosen += [(files[k], house) for k in order[:share]]
        rest += [files[k] for k in order[share : share + held]]

    def read(files: list[str]) -> np.ndarray:
        pictures = []
        for name in files:
            with Image.open(source / name) as picture:
                pictures.append(pixels_of(picture, settings))
        return np.stack(pictures)

    return _in_colour("emoji", read([name for name, _ in chosen]), read(rest), tuple(house for _, house in chosen))


def cifar_pictures(source: Path) -> tuple[UInt8[np.ndarray, "image 32 32 3"], np.ndarray]:
    """The pictures of a sheet of CIFAR-10's test images, and the names of their classes."""
    with Image.open(source / "test.webp") as file:
        sheet = np.asarray(file.convert("RGB"))
    down, across = (length // CIFAR_SIDE for length in sheet.shape[:2])
    pictures = (
        sheet.reshape(down, CIFAR_SIDE, across, CIFAR_SIDE, 3).swapaxes(1, 2).reshape(-1, CIFAR_SIDE, CIFAR_SIDE, 3)
    )
    with np.load(source / "labels.npz", allow_pickle=False) as arrays:
        classes = arrays["names"][arrays["test"]]
    return pictures, classes


def _cifar(source: Path, held_out: int) -> Material:
    """Photographs at 16x16, at random; network and training are those of the emoji."""
    pictures, classes = cifar_pictures(source)
    order = np.random.default_rng(0).permutation(len(pictures))
    chosen, rest = np.split(order[: WORKS + held_out], [WORKS])
    settings = ImageSettings(size=16)

    def small(rows: np.ndarray) -> np.ndarray:
        return np.stack([pixels_of(Image.fromarray(picture), settings) for picture in pictures[rows]])

    return _in_colour("cifar", small(chosen), small(rest), tuple(str(name) for name in classes[chosen]))


def _flags(source: Path, held_out: int) -> Material:
    """Round flags at 16x16, at random; network and training are those of the emoji.

    The package has many flags twice, once for a country and once for its language: each picture is
    taken once.
    """
    import resvg_py

    document = json.loads((source / "icons.json").read_text(encoding="utf-8"))
    side, settings = int(document["width"]), ImageSettings(size=16)
    found: dict[bytes, tuple[str, np.ndarray]] = {}
    for name, icon in sorted(document["icons"].items()):
        if not name.startswith("lang-"):
            svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}">{icon["body"]}</svg>'
            png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=64, height=64))
            with Image.open(io.BytesIO(png)) as picture:
                pixels = pixels_of(picture, settings)
            found.setdefault(pixels.tobytes(), (name, pixels))
    flags = list(found.values())
    order = np.random.default_rng(0).permutation(len(flags))[: WORKS + held_out]
    names, pictures = [flags[k][0] for k in order], np.stack([flags[k][1] for k in order])
    return _in_colour("flags", pictures[:WORKS], pictures[WORKS:], tuple(name[:2] for name in names[:WORKS]))


def _in_colour(name: str, works: np.ndarray, held_out: np.ndarray, group_of_work: tuple[str, ...]) -> Material:
    """A set of colour pictures at 16x16."""
    return Material(
        name,
        works,
        held_out,
        group_of_work,
        PixelUNet(size=16, channels=3, widths=(16,), groups=8, patch=4),
        TrainingSettings(steps=800, batch_size=32, common_works=False),
    )
