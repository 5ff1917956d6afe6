"""A similarity kernel over features: the distance of two pictures as a network that was trained on
many pictures sees it.

Features come from an :class:`Embedding`, any function from images in [0, 1] to vectors of length 1.
The kernel is that of :mod:`attribution.ranking.rankers.kernel` on them: exp(-||f(y) - f(x)||^2 /
tau). The features of the works are computed once and kept beside the training set under the hash of
embedding, weights and works, in half precision, mapped from the file like the pixels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float16, Float32

from attribution.ranking.rankers.interface import Images, Query, Ranker, RowIndex, Works, blocks
from attribution.ranking.rankers.kernel import KernelQuery
from registry.errors import InputError
from registry.home import write_atomically
from registry.ids import content_id, sha256_of

BANDWIDTHS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""tau: squared distances between vectors of length 1, which are 0 to 4; two unrelated pictures are
about 1 apart."""
IMAGES_AT_ONCE = 64


class Embedding(ABC):
    """A fixed map from images to features, the same for every image whatever comes with it."""

    name: str
    """As the ranker that uses it is called."""
    width: int
    """Values of a feature."""

    @property
    @abstractmethod
    def sha256(self) -> str:
        """SHA-256 (hex) of the weights, or of whatever else decides what it computes."""

    @abstractmethod
    def embed(self, images: Float32[np.ndarray, "image channel height width"]) -> Float32[np.ndarray, "image feature"]:
        """Features of images in [0, 1] of 1 or 3 channels and any size; their length does not
        matter.
        """


@dataclass(frozen=True, eq=False)
class FeatureRows:
    """Works' features, mapped from a file."""

    features: Float16[np.ndarray, "work feature"]

    @property
    def width(self) -> int:
        return int(self.features.shape[1])

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: RowIndex) -> Float32[np.ndarray, "row feature"]:
        return np.asarray(self.features[rows], dtype=np.float32)


class FeatureKernel(Ranker):
    """The kernel in one embedding, at every bandwidth of the grid."""

    scales = BANDWIDTHS

    def __init__(
        self, embedding: Embedding, advance: Callable[[int, int], object] = lambda _done, _total: None
    ) -> None:
        """``advance`` gets (works embedded now, works in all) while their features are computed."""
        self.embedding, self.advance = embedding, advance
        self.name = embedding.name
        self._features: tuple[Works, FeatureRows] | None = None

    def settings(self) -> dict[str, Any]:
        return {"weights_sha256": self.embedding.sha256}

    def prepare(self, images: Images, works: Works) -> Query:
        if self._features is None or self._features[0] is not works:
            self._features = works, work_features(self.embedding, works, images.shape, self.advance)
        rows = self._features[1]
        pictures = images.values.reshape(len(images), *images.shape)
        # Bandwidths of a kernel are those of mean differences, here they are of sums.
        return KernelQuery(embedded(self.embedding, pictures), rows, [tau / rows.width for tau in self.scales])


def embedded(
    embedding: Embedding, images: Float32[np.ndarray, "image channel height width"]
) -> Float32[np.ndarray, "image feature"]:
    """Features of images, of length 1."""
    found = np.empty((len(images), embedding.width), dtype=np.float32)
    for start in range(0, len(images), IMAGES_AT_ONCE):
        features = embedding.embed(images[start : start + IMAGES_AT_ONCE])
        length = np.linalg.norm(features, axis=1, keepdims=True)
        found[start : start + IMAGES_AT_ONCE] = features / np.maximum(length, 1e-12)
    return found


def work_features(
    embedding: Embedding,
    works: Works,
    shape: tuple[int, int, int],
    advance: Callable[[int, int], object] = lambda _done, _total: None,
) -> FeatureRows:
    """The works' features: those that are kept, or computed now and kept where the works have a
    folder.

    Raises:
        InputError: the folder cannot be written.
    """
    if works.folder is None:
        found = np.empty((len(works), embedding.width), dtype=np.float16)
        _fill(found, embedding, works, shape, advance)
        return FeatureRows(found)
    path = works.folder / f"{features_name(embedding, works)}.npy"
    kept = _opened(path, (len(works), embedding.width))
    if kept is None:
        write_atomically(path, partial(_write, embedding=embedding, works=works, shape=shape, advance=advance))
        kept = _opened(path, (len(works), embedding.width))
    if kept is None:
        raise InputError(f"{path} was changed while it was read: run the same command again")
    return FeatureRows(kept)


def features_name(embedding: Embedding, works: Works) -> str:
    """What the file of features is called: after the embedding, and a hash of it, its weights and
    the works.
    """
    content = {"weights": embedding.sha256, "width": embedding.width, "works": sha256_of(list(works.hashes))}
    return f"features-{embedding.name}-{content_id('features', {'embedding': embedding.name, **content})}"


def _opened(path: Path, shape: tuple[int, int]) -> Float16[np.ndarray, "work feature"] | None:
    """The kept features; None where there are none of this shape, since they can always be computed
    again.
    """
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.shape == shape and found.dtype == np.float16 else None


def _write(
    path: Path, embedding: Embedding, works: Works, shape: tuple[int, int, int], advance: Callable[[int, int], object]
) -> None:
    found = np.lib.format.open_memmap(path, "w+", np.float16, (len(works), embedding.width))
    _fill(found, embedding, works, shape, advance)
    found.flush()


def _fill(
    into: Float16[np.ndarray, "work feature"],
    embedding: Embedding,
    works: Works,
    shape: tuple[int, int, int],
    advance: Callable[[int, int], object],
) -> None:
    channels, height, width = shape
    for block in blocks(len(works), works.pixels.width):
        pixels = works.pixels.take(block)
        pictures = np.moveaxis(pixels.reshape(len(pixels), height, width, channels), -1, 1)
        into[block] = embedded(embedding, np.ascontiguousarray(pictures))
        advance(len(pixels), len(works))
