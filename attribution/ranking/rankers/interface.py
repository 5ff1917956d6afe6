"""A ranker, and its inputs.

A ranker never sees codes or members: the test of layer 2 is valid only because the shortlist was
chosen without them, so :class:`Images` and :class:`Works` hold neither. A method may have a scale,
such as the bandwidth of a kernel, that is not known beforehand. It then scores at every scale of a
grid, and the shortlist takes each unit at its best rank over all scales of all rankers. So the
scale and the fusion, which member-LDS chooses with the codes in hand, decide what is displayed but
never what is tested.

There may be ten million works. A ranker therefore prepares a :class:`Query` for a few images, and
the query scores any rows of the works on demand; :mod:`attribution.ranking.rankers.scan` goes
through the works in blocks.

    query = PixelKernel().prepare(images, works)
    query.log_scores(slice(0, 4096))             # image x scale x work
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64, UInt8

from registry.ids import sha256_of

RowIndex: TypeAlias = slice | Int64[np.ndarray, " row"]
"""Some rows: a slice with a start and a stop, or row numbers."""

VALUES_AT_ONCE = 2**21
"""Values of works in a block: bounds memory and does not change the result."""


class Rows(Protocol):
    """Works as rows of values, which need not fit into memory."""

    @property
    def width(self) -> int:
        """Values a row."""

    def __len__(self) -> int: ...

    def take(self, rows: RowIndex) -> Float32[np.ndarray, "row value"]:
        """Some rows, in this order."""


@dataclass(frozen=True, eq=False)
class ArrayRows:
    """Rows of an array in memory or mapped from a file."""

    values: Float[np.ndarray, "stored value"]
    stored: Int64[np.ndarray, " row"] | None = None
    """The stored place of each row; None: all of them, in order."""

    @property
    def width(self) -> int:
        return int(self.values.shape[1])

    def __len__(self) -> int:
        return len(self.values) if self.stored is None else len(self.stored)

    def take(self, rows: RowIndex) -> Float32[np.ndarray, "row value"]:
        return np.asarray(self.values[rows if self.stored is None else self.stored[rows]], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class PixelRows:
    """Stored pixels of works, bytes mapped from a file, as rows of float32 in [0, 1].

    A row lies pixel by pixel, as stored; :func:`pixel_by_pixel` brings images into this order.
    """

    pixels: UInt8[np.ndarray, "stored height width channel"]
    stored: Int64[np.ndarray, " row"] | None = None
    """The stored work of each row; None: all of them, in order."""

    @property
    def width(self) -> int:
        return int(np.prod(self.pixels.shape[1:]))

    def __len__(self) -> int:
        return len(self.pixels) if self.stored is None else len(self.stored)

    def bytes_of(self, rows: RowIndex) -> UInt8[np.ndarray, "row height width channel"]:
        """Some works, as stored."""
        return np.asarray(self.pixels[rows if self.stored is None else self.stored[rows]])

    def take(self, rows: RowIndex) -> Float32[np.ndarray, "row value"]:
        found = self.bytes_of(rows)
        return np.asarray(np.multiply(found.reshape(len(found), self.width), np.float32(1.0 / 255.0), dtype=np.float32))


@dataclass(frozen=True, eq=False)
class Texts:
    """The texts that works are trained under: few distinct ones, and the number of each work's."""

    distinct: tuple[str, ...]
    number: Int64[np.ndarray, " work"]

    def of(self, rows: RowIndex) -> list[str]:
        """The texts of some works."""
        return [self.distinct[number] for number in self.number[rows]]

    @cached_property
    def sha256(self) -> str:
        """SHA-256 (hex) over the text of every work."""
        return sha256_of([list(self.distinct), hashlib.sha256(self.number.astype("<i8").tobytes()).hexdigest()])


@dataclass(frozen=True, eq=False)
class Images:
    """Images to rank works for, at the size of the works."""

    values: Float32[np.ndarray, "image value"]
    """In [0, 1], flattened channel by channel, as in torch."""
    shape: tuple[int, int, int]
    """Channels, height, width."""
    names: tuple[frozenset[str], ...] = ()
    """Names of each image in tables of scores: a sample's id, a file's SHA-256; empty: none."""
    texts: tuple[str | None, ...] = ()
    """The prompt or class of each image, None where there is none; empty: none has one."""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def pictures(self) -> Float32[np.ndarray, "image channel height width"]:
        """The images as channels, height, width."""
        return self.values.reshape(len(self), *self.shape)

    def part(self, rows: slice) -> Images:
        """Some of the images."""
        return Images(self.values[rows], self.shape, self.names[rows], self.texts[rows])

    @property
    def prompts(self) -> tuple[str | None, ...]:
        """The prompt of every image."""
        return self.texts or (None,) * len(self)

    @classmethod
    def flat(cls, values: Float[np.ndarray, "image value"]) -> Images:
        """Images whose shape does not matter, in the value order of the works."""
        return cls(np.asarray(values, dtype=np.float32), (values.shape[1], 1, 1))


@dataclass(frozen=True, eq=False)
class Works:
    """All that a ranker may know of the works: pixels, ids, hashes; no members that saw them."""

    pixels: Rows
    """In [0, 1], pixel by pixel."""
    asset_ids: Int64[np.ndarray, " work"]
    hashes: Sequence[str]
    """SHA-256 of the files."""
    folder: Path | None = None
    """Folder for files computed from the works, beside their pixels; None: keep none."""
    latents: Rows | None = None
    """In the space of a latent kind, flattened as in torch; None: the members work on pixels."""
    texts: Texts | None = None
    """What the works are trained under; None: no texts and no classes."""

    def __len__(self) -> int:
        return len(self.pixels)

    @cached_property
    def row_of_asset(self) -> dict[int, int]:
        """The row of each asset id."""
        return {int(asset): row for row, asset in enumerate(self.asset_ids)}

    @cached_property
    def row_of_hash(self) -> dict[str, int]:
        """The row of each SHA-256."""
        return {sha256: row for row, sha256 in enumerate(self.hashes)}

    def texts_of(self, rows: RowIndex) -> Sequence[str | None]:
        """The texts of some works, None where works have none."""
        if self.texts is not None:
            return self.texts.of(rows)
        return [None] * (rows.stop - rows.start if isinstance(rows, slice) else len(rows))

    def pictures(self, rows: RowIndex, shape: tuple[int, int, int]) -> Float32[np.ndarray, "row channel height width"]:
        """Some works as pictures in [0, 1]; ``shape`` is channels, height, width."""
        channels, height, width = shape
        found = self.pixels.take(rows)
        return np.ascontiguousarray(np.moveaxis(found.reshape(len(found), height, width, channels), -1, 1))

    @classmethod
    def flat(cls, values: Float[np.ndarray, "work value"]) -> Works:
        """Works in memory without ids and hashes."""
        return cls(ArrayRows(values), np.arange(len(values)), [])


@dataclass(frozen=True, eq=False)
class Candidates:
    """The works that can be among the best for each image, so that not all must be scored."""

    rows: tuple[Int64[np.ndarray, " row"], ...]
    """Per image, ascending."""
    drawn: Int64[np.ndarray, " row"]
    """Works drawn at random, ascending: they stand for all others in the mean of all scores."""


class Query(ABC):
    """One ranker's scores for a few images, on demand."""

    same_order: ClassVar[bool] = False
    """Whether single works have the same order at every scale, so that one list serves all."""
    additive: ClassVar[bool] = False
    """Whether :meth:`log_scores` returns the scores themselves."""

    @abstractmethod
    def log_scores(self, rows: RowIndex) -> Float32[np.ndarray, "image scale row"]:
        """Log scores of some works, up to a constant by image and scale; larger is likelier."""

    def candidates(self) -> Candidates | None:
        """The works that alone need to be scored, where there are very many; None: score all.

        They depend on the images and the works alone: neither on codes, nor on how many are listed.
        """
        return None

    def searched(self, *, used: bool) -> Mapping[str, Any]:  # noqa: ARG002 - for queries with an index
        """How very many works were searched, for the record; empty: all were compared, as always.

        ``used``: whether :meth:`candidates` named the works.
        """
        return {}


class Ranker(ABC):
    """One attribution method."""

    name: str
    """The name stored with an audit."""
    scales: Sequence[float]
    """The grid of scales; one entry for a method without a scale."""
    by_prompt: ClassVar[bool] = False
    """Whether the prompt of an image decides the scores, and its picture at most between equals."""
    most_graded: ClassVar[int] = 512
    """Images to grade it on, at most: with more, the interval over images no longer matters."""

    @abstractmethod
    def prepare(self, images: Images, works: Works) -> Query:
        """The query for these images.

        Raises:
            MissingPartError: a file, model or library that the method needs is absent.
        """

    def covers(self, names: frozenset[str], text: str | None = None) -> bool:  # noqa: ARG002 - for rankers that know only some images
        """Whether the ranker has scores for an image with these names and this prompt."""
        return True

    def settings(self) -> dict[str, Any]:
        """Everything beside name and scales that decides scores: part of an audit's identity."""
        return {}

    def searches(self, works: int) -> Mapping[str, Any]:  # noqa: ARG002 - for methods with an index
        """Everything that decides which of so many works are scored; empty: all are."""
        return {}

    def score(
        self, images: Float[np.ndarray, "image value"], works: Float[np.ndarray, "work value"]
    ) -> Float64[np.ndarray, "scale image work"]:
        """Scores of works in memory; values in [0, 1], flattened alike; 1: the best work."""
        return dense_scores(self.prepare(Images.flat(images), Works.flat(works)), len(works))


def dense_scores(query: Query, count: int) -> Float64[np.ndarray, "scale image work"]:
    """Scores of the first ``count`` works; unless additive, each image's best score is 1."""
    found = query.log_scores(slice(0, count)).astype(np.float64).transpose(1, 0, 2)
    if query.additive:
        return found
    return np.asarray(np.exp(found - found.max(axis=2, keepdims=True)), dtype=np.float64)


def pixel_by_pixel(images: Images) -> Float32[np.ndarray, "image value"]:
    """The images' values in the order of :class:`PixelRows`."""
    return np.ascontiguousarray(np.moveaxis(images.pictures, 1, -1)).reshape(len(images), -1)


def blocks(rows: int, width: int) -> Iterator[slice]:
    """Slices of the works that fit into memory, in order."""
    step = max(64, VALUES_AT_ONCE // max(1, width))
    for start in range(0, rows, step):
        yield slice(start, min(rows, start + step))
