"""The digits of the experiments: MNIST from a folder of idx files, or scikit-learn's.

Works are MNIST's test split, as in WDL's figure 2b, in one random order, so a smaller data set is
the beginning of a larger one. Held-out pictures are the training split. Pictures are shrunk by
averages over whole blocks of pixels.
"""

from __future__ import annotations

import gzip
import importlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from registry.errors import InputError, MissingPartError

IMAGES_MAGIC, LABELS_MAGIC = 2051, 2049
MOST_ITEMS = 60_000
MNIST_SIDE = 28


@dataclass(frozen=True)
class Digits:
    """Works, and held-out pictures of the same kind."""

    source: str
    works: UInt8[np.ndarray, "work height width"]
    labels: Int64[np.ndarray, " work"]
    held_out: UInt8[np.ndarray, "image height width"]
    held_out_labels: Int64[np.ndarray, " image"]

    @property
    def side(self) -> int:
        return int(self.works.shape[1])


@lru_cache(maxsize=4)
def load_digits(folder: Path | None, side: int = 14) -> Digits:
    """Digits of ``side`` pixels (14 or 8) from MNIST; scikit-learn's 8x8 ones without a folder.

    Raises:
        InputError: the folder holds no readable idx files.
        MissingPartError: no folder, and scikit-learn is not installed.
    """
    if folder is None:
        return _of_scikit_learn()
    works, labels = read_idx(folder, "t10k")
    held_out, held_out_labels = read_idx(folder, "train")
    order = np.random.default_rng(0).permutation(len(works))
    rest = slice(0, len(works))
    return Digits(
        f"MNIST, {side}x{side}",
        shrink(works[order], side),
        labels[order],
        shrink(held_out[rest], side),
        held_out_labels[rest],
    )


def shrink(images: UInt8[np.ndarray, "image 28 28"], side: int) -> UInt8[np.ndarray, "image side side"]:
    """Average blocks of pixels: 2x2 of 28x28 for 14, 4x4 of 28x28 within a margin of two for 8."""
    margin = -MNIST_SIDE % side // 2
    padded = np.pad(images, ((0, 0), (margin, margin), (margin, margin)))
    block = padded.shape[1] // side
    means = padded.reshape(len(images), side, block, side, block).mean(axis=(2, 4))
    return np.asarray(np.round(means), dtype=np.uint8)


def read_idx(folder: Path, split: str) -> tuple[UInt8[np.ndarray, "image 28 28"], Int64[np.ndarray, " image"]]:
    """Images and labels of ``train`` or ``t10k``, gzipped or plain.

    Raises:
        InputError: a file is missing, or no idx file of MNIST's shape.
    """
    images = _items(folder, f"{split}-images-idx3-ubyte", IMAGES_MAGIC, 16, MNIST_SIDE**2)
    labels = _items(folder, f"{split}-labels-idx1-ubyte", LABELS_MAGIC, 8, 1)
    if len(images) != len(labels):
        raise InputError(f"{folder}: {len(images)} images but {len(labels)} labels of {split}")
    return images.reshape(-1, MNIST_SIDE, MNIST_SIDE), labels.reshape(-1).astype(np.int64)


def _items(folder: Path, name: str, magic: int, header: int, size: int) -> UInt8[np.ndarray, "item value"]:
    largest = header + MOST_ITEMS * size
    try:
        if (folder / f"{name}.gz").exists():
            with gzip.open(folder / f"{name}.gz") as file:
                data = file.read(largest + 1)
        else:
            with (folder / name).open("rb") as plain:
                data = plain.read(largest + 1)
    except (OSError, EOFError) as error:
        raise InputError(f"{folder / name}(.gz) cannot be read: {error}") from error
    count = int.from_bytes(data[4:8], "big")
    if int.from_bytes(data[:4], "big") != magic or len(data) != header + count * size:
        raise InputError(f"{folder / name}(.gz) is no idx file of MNIST's shape")
    return np.frombuffer(data, np.uint8, offset=header).reshape(count, size)


def scikit_learn_digits() -> tuple[UInt8[np.ndarray, "image 8 8"], Int64[np.ndarray, " image"]]:
    """Scikit-learn's digits and their labels.

    Raises:
        MissingPartError: scikit-learn is not installed.
    """
    try:
        bundle = importlib.import_module("sklearn.datasets").load_digits()
    except ImportError as error:
        raise MissingPartError(
            "no digits: name a folder of MNIST's idx files with --data, or install scikit-learn"
        ) from error
    images = np.round(np.asarray(bundle.images) * (255.0 / 16.0)).astype(np.uint8)
    return images, np.asarray(bundle.target, dtype=np.int64)


def _of_scikit_learn() -> Digits:
    images, labels = scikit_learn_digits()
    order = np.random.default_rng(0).permutation(len(images))
    works, rest = order[:1200], order[1200:]
    return Digits("scikit-learn digits, 8x8", images[works], labels[works], images[rest], labels[rest])


def flat(images: UInt8[np.ndarray, "image height width"]) -> Float32[np.ndarray, "image value"]:
    """Pixels in [0, 1], one row per image."""
    return np.asarray(images.reshape(len(images), -1) / 255.0, dtype=np.float32)
