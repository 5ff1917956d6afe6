"""The library that builds and searches the index: faiss, an optional part.

The index is faiss's inverted file with product quantisation (Jegou, Douze, Schmid 2011): features
are projected to fewer values, works are sorted into lists around centres, and each work becomes one
byte for every few values. A search reads the lists of the nearest centres. Distances are rough, so
whoever asks takes many works and compares their features themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from registry.errors import InputError, IntegrityError
from registry.messages import plain_reason

NAME, PACKAGE, EXTRA = "faiss", "faiss-cpu", "index"
DIMENSIONS = 128
"""Values that features are projected to, at most."""
BYTES = 64
"""Bytes of a work, at most; its number takes eight more."""
TRAINED_ON = 40
"""Works per list that the centres are fitted to; faiss asks for 39 and more."""
MOST_LISTS = 1 << 16
MOST_VALUES = 1 << 12
"""Values of a feature, at most: the projection needs their square in memory."""

Features = Float32[np.ndarray, "work value"]


def installed() -> bool:
    """Whether the library is there and can be imported."""
    try:
        import_module(NAME)
    except ImportError:
        return False
    return True


def version_in_use() -> str:
    """Its version; ``unknown`` where it was not installed as a package."""
    for package in (PACKAGE, NAME, "faiss-gpu"):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return "unknown"


@dataclass(frozen=True)
class Sizes:
    """The sizes of an index; they follow from the number of works and the width of the features."""

    dimensions: int
    lists: int
    bytes: int

    @classmethod
    def of(cls, works: int, width: int) -> Sizes:
        """Lists: the root of the number of works, rounded down to a power of two.

        >>> Sizes.of(10_000_000, 512)
        Sizes(dimensions=128, lists=2048, bytes=64)
        """
        dimensions = min(DIMENSIONS, width)
        parts = next(parts for parts in range(min(BYTES, dimensions), 0, -1) if dimensions % parts == 0)
        lists = max(1, isqrt(works))
        return cls(dimensions, min(MOST_LISTS, 1 << (lists.bit_length() - 1)), parts)

    @property
    def trained_on(self) -> int:
        """Works that the index is fitted to, if there are as many."""
        return max(TRAINED_ON * self.lists, 1 << 14)


def build(
    path: Path, sizes: Sizes, sample: Features, parts: Iterator[Features], on_progress: Callable[[int], object]
) -> None:
    """Write an index of all works to a file.

    Args:
        path: of the file.
        sizes: of the index.
        sample: features to fit it to, in no order.
        parts: the features of all works, in order.
        on_progress: gets works added now.

    Raises:
        InputError: some features are no finite numbers, the library cannot make the index, or the
            file cannot be written.
    """
    faiss: Any = import_module(NAME)
    try:
        projection = faiss.PCAMatrix(sample.shape[1], sizes.dimensions, 0, True)
        centres = faiss.IndexFlatL2(sizes.dimensions)
        inner = faiss.IndexIVFPQ(centres, sizes.dimensions, sizes.lists, sizes.bytes, 8)
        inner.use_precomputed_table = -1
        for fitted in (inner.cp, inner.pq.cp):
            fitted.min_points_per_centroid = 1  # else a small index is a warning on stderr
        inner.pq.cp.niter, inner.pq.cp.max_points_per_centroid = 10, 64
        index = faiss.IndexPreTransform(projection, inner)
        index.train(_numbers(sample))
        for part in parts:
            index.add(_numbers(part))
            on_progress(len(part))
        faiss.write_index(index, str(path))
    except (RuntimeError, MemoryError) as error:  # as for a full disk
        raise InputError(f"{path.parent} cannot take an index: {plain_reason(error)}") from error


def _numbers(features: Features) -> Features:
    """The features. Raises InputError: some are no numbers, which the library cannot sort."""
    if not np.isfinite(features).all():
        raise InputError("some works have features that are no finite numbers")
    return features


@dataclass(frozen=True, eq=False)
class Opened:
    """An index mapped from its file."""

    index: Any

    def near(self, queries: Float32[np.ndarray, "query value"], count: int, probes: int) -> Int64[np.ndarray, "q row"]:
        """Works that may be near, the nearest first by rough distance; -1: no more in these lists.

        ``probes``: lists to read.
        """
        faiss: Any = import_module(NAME)
        within = faiss.SearchParametersIVF(nprobe=probes)
        asked = faiss.SearchParametersPreTransform(index_params=within)
        _, rows = self.index.search(np.ascontiguousarray(queries, dtype=np.float32), count, params=asked)
        return np.asarray(rows, dtype=np.int64)


def open_file(path: Path) -> Opened:
    """Map an index; its lists stay on disk and are read as a search needs them.

    Raises:
        IntegrityError: the library cannot read it.
    """
    faiss: Any = import_module(NAME)
    try:
        return Opened(faiss.read_index(str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_SKIP_PRECOMPUTE_TABLE))
    except RuntimeError as error:
        raise IntegrityError(f"{path.name} cannot be read as an index: {plain_reason(error)}") from error
