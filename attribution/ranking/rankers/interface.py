"""What a ranker is, and how its scores for works become an order of units.

A ranker never sees codes or members: the test of layer 2 is valid only because the shortlist was
chosen without them. What it is given, :class:`Images` and :class:`Works`, has none. A method may
have a scale (a kernel's bandwidth) that is not known beforehand. It then scores at every scale of a
grid; the shortlist takes each unit at its best rank over the scales of all rankers, so that the
scale and the fusion, which member-LDS picks with the codes in hand, decide what is displayed but
never what is tested.

Works may be ten million, so no ranker is asked for all of them at once: it prepares a
:class:`Query` for a few images, which then scores whichever rows of the works it is handed
(:mod:`attribution.ranking.rankers.scan` walks through them in blocks).

    query = PixelKernel().prepare(images, works)
    query.log_scores(slice(0, 4096))             # image x scale x work
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64, UInt8

RowIndex: TypeAlias = slice | Int64[np.ndarray, " row"]
"""Some rows of the works: a stretch of them (with a start and a stop), or any by number."""

VALUES_AT_ONCE = 2**21
"""Values of works that a block holds: bounds memory, changes nothing else."""


class Rows(Protocol):
    """Works as rows of values, which need not fit into memory together."""

    @property
    def width(self) -> int:
        """Values a row."""

    def __len__(self) -> int: ...

    def take(self, rows: RowIndex) -> Float32[np.ndarray, "row value"]:
        """Some rows, in this order."""


@dataclass(frozen=True, eq=False)
class ArrayRows:
    """Rows that are in memory."""

    values: Float[np.ndarray, "row value"]

    @property
    def width(self) -> int:
        return int(self.values.shape[1])

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: RowIndex) -> Float32[np.ndarray, "row value"]:
        return np.asarray(self.values[rows], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class PixelRows:
    """Works' pixels as the training set has them, bytes mapped from a file, in [0, 1] as float32.

    Values lie pixel by pixel, as they are stored; :func:`pixel_by_pixel` brings an image into this
    order.
    """

    pixels: UInt8[np.ndarray, "stored height width channel"]
    stored: Int64[np.ndarray, " row"] | None = None
    """Which stored work each row is; None: all, as they are."""

    @property
    def width(self) -> int:
        return int(np.prod(self.pixels.shape[1:]))

    def __len__(self) -> int:
        return len(self.pixels) if self.stored is None else len(self.stored)

    def bytes_of(self, rows: RowIndex) -> UInt8[np.ndarray, "row height width channel"]:
        """Some works as they are stored."""
        return np.asarray(self.pixels[rows if self.stored is None else self.stored[rows]])

    def take(self, rows: RowIndex) -> Float32[np.ndarray, "row value"]:
        found = self.bytes_of(rows)
        return np.asarray(np.multiply(found.reshape(len(found), -1), np.float32(1.0 / 255.0), dtype=np.float32))


@dataclass(frozen=True, eq=False)
class Images:
    """Images that works are ranked for, at the size of the works."""

    values: Float32[np.ndarray, "image value"]
    """In [0, 1], flattened channel by channel, as torch has images."""
    shape: tuple[int, int, int]
    """Channels, height, width."""
    names: tuple[frozenset[str], ...] = ()
    """Per image, what a table of scores may call it: a sample's id, the SHA-256 of the file. Empty:
    nothing."""

    def __len__(self) -> int:
        return len(self.values)

    def part(self, rows: slice) -> Images:
        """Some of the images."""
        return Images(self.values[rows], self.shape, self.names[rows])

    @classmethod
    def flat(cls, values: Float[np.ndarray, "image value"]) -> Images:
        """Images of which only the values matter, in whatever order the works have them."""
        return cls(np.asarray(values, dtype=np.float32), (values.shape[1], 1, 1))


@dataclass(frozen=True, eq=False)
class Works:
    """All that a ranker may know of the works: what they look like and what they are called, not
    who saw them.
    """

    pixels: Rows
    """In [0, 1], pixel by pixel."""
    asset_ids: Int64[np.ndarray, " work"]
    hashes: Sequence[str]
    """SHA-256 of the files."""
    folder: Path | None = None
    """Where what is computed from the works may be kept, beside their pixels; None: nowhere."""

    def __len__(self) -> int:
        return len(self.pixels)

    @cached_property
    def row_of_asset(self) -> dict[int, int]:
        """By asset id, its row."""
        return {int(asset): row for row, asset in enumerate(self.asset_ids)}

    @cached_property
    def row_of_hash(self) -> dict[str, int]:
        """By SHA-256, its row."""
        return {sha256: row for row, sha256 in enumerate(self.hashes)}

    @classmethod
    def flat(cls, values: Float[np.ndarray, "work value"]) -> Works:
        """Works in memory of which only the values matter."""
        return cls(ArrayRows(values), np.arange(len(values)), [])


class Query(ABC):
    """One ranker's scores for a few images, on demand."""

    same_order: ClassVar[bool] = False
    """Whether single works have the same order at every scale, so that one list serves all."""
    additive: ClassVar[bool] = False
    """Whether :meth:`log_scores` are the scores themselves and not their logarithms."""

    @abstractmethod
    def log_scores(self, rows: RowIndex) -> Float32[np.ndarray, "image scale row"]:
        """Logarithms of the scores of some works, up to a constant per image and scale; larger for
        likelier sources.
        """


class Ranker(ABC):
    """One attribution method."""

    name: str
    """As it is stored with an audit."""
    scales: Sequence[float]
    """The grid of scales that it scores at; one entry where it has none."""

    @abstractmethod
    def prepare(self, images: Images, works: Works) -> Query:
        """Get ready to score works for these images.

        Raises:
            MissingPartError: what the method needs is not there.
        """

    def covers(self, names: frozenset[str]) -> bool:  # noqa: ARG002 - for those that know only some images
        """Whether it has scores for an image of these names."""
        return True

    def settings(self) -> dict[str, Any]:
        """What, beside the name and scales, decides its scores: part of an audit's identity."""
        return {}

    def score(
        self, images: Float[np.ndarray, "image value"], works: Float[np.ndarray, "work value"]
    ) -> Float64[np.ndarray, "scale image work"]:
        """Scores of all of a few works, in memory; both in [0, 1], flattened alike. The best work
        of an image has 1.
        """
        return dense_scores(self.prepare(Images.flat(images), Works.flat(works)), len(works))


def dense_scores(query: Query, count: int) -> Float64[np.ndarray, "scale image work"]:
    """Scores of all of a few works, those of each image divided by its best."""
    found = query.log_scores(slice(0, count)).astype(np.float64).transpose(1, 0, 2)
    if query.additive:
        return found
    return np.asarray(np.exp(found - found.max(axis=2, keepdims=True)), dtype=np.float64)


def pixel_by_pixel(images: Images) -> Float32[np.ndarray, "image value"]:
    """The images' values in the order of the works' rows (see :class:`PixelRows`)."""
    channels, height, width = images.shape
    planes = images.values.reshape(len(images), channels, height * width)
    return np.ascontiguousarray(planes.transpose(0, 2, 1)).reshape(len(images), -1)


def blocks(rows: int, width: int) -> Iterator[slice]:
    """Stretches of the works that fit into memory, in order."""
    step = max(64, VALUES_AT_ONCE // max(1, width))
    for start in range(0, rows, step):
        yield slice(start, min(rows, start + step))


def shortlist(orders: Sequence[Int64[np.ndarray, " place"]], length: int, depth: int) -> Int64[np.ndarray, " place"]:
    """The units to test for one image, best first: by their best rank over the orders, then by
    their mean rank.

    Args:
        orders: units, best first, one list for every ranker and scale, each of at least ``depth``
            units if there are so many.
        length: how many to return, at most.
        depth: ranks from here on count as this one in the mean, so that it does not matter how long
            the lists are.

    Ties go to the unit with the smaller number, so the result is a function of the orders alone.
    """
    units = np.unique(np.concatenate(orders))
    ranks = np.empty((len(orders), len(units)))
    for row, order in enumerate(orders):
        ranks[row] = max(len(order), depth)
        ranks[row, np.searchsorted(units, order)] = np.arange(len(order))
    places = np.lexsort((units, np.minimum(ranks, depth).mean(axis=0), ranks.min(axis=0)))
    return units[places[:length]].astype(np.int64)
