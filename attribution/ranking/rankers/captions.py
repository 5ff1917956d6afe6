"""Similarity of texts: which works have captions like the prompt of an image?

Texts become vectors of length 1, and the score is the kernel exp(-||f(y) - f(x)||^2 / tau) of
:mod:`attribution.ranking.rankers.kernel` on them. The vectors are those of the members' own text
encoder, so that texts are as alike as the members see them. A kind without an encoder has counts of
words weighted by rarity (tf-idf; Sparck Jones 1972), hashed to :data:`PLACES` places with random
signs (Weinberger et al. 2009).

Every distinct text is embedded once, whatever the number of its works. Works with one caption, or
one class, are told apart by their pixels: the squared distance of a picture counts
:data:`PIXELS_SHARE` times, far less than any other word. An image without a prompt, such as one
from outside without a label, has no scores.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float32

from attribution.ranking.rankers.interface import (
    ArrayRows,
    Images,
    Query,
    Ranker,
    RowIndex,
    Rows,
    Texts,
    Works,
    pixel_by_pixel,
)
from attribution.ranking.rankers.kernel import KernelQuery, of_length_one
from registry.errors import MissingPartError

BANDWIDTHS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""tau: squared distances of vectors of length 1; 2 for texts without a common word."""
PIXELS_SHARE = 1e-4
"""Weight of the mean squared difference of pixels in [0, 1], beside texts' squared distance."""
PLACES = 512
TEXTS_AT_ONCE = 256

TextEncoder = Callable[[Sequence[str]], Float32[np.ndarray, "text value"] | None]
"""The members' features of some texts; None: the kind has no text encoder."""


class Captions(Ranker):
    """The kernel over texts."""

    name = "captions"
    scales = BANDWIDTHS
    by_prompt = True

    def __init__(self, encode: TextEncoder) -> None:
        self.encode = encode
        self._kept: tuple[Texts, Callable[[Sequence[str]], Float32[np.ndarray, "text value"]], ArrayRows] | None = None

    def settings(self) -> dict[str, Any]:
        return {"places": PLACES, "pixels": PIXELS_SHARE}

    def covers(self, names: frozenset[str], text: str | None = None) -> bool:  # noqa: ARG002 - by text alone
        return text is not None

    def prepare(self, images: Images, works: Works) -> Query:
        if works.texts is None:
            raise MissingPartError(f"the ranker {self.name} needs works with captions or classes: rank with others")
        if self._kept is None or self._kept[0] is not works.texts:
            embed = self._embedding(works.texts)
            self._kept = works.texts, embed, ArrayRows(embed(works.texts.distinct), works.texts.number)
        _, embed, texts = self._kept
        rows = TextsThenPixels(texts, works.pixels)
        own = rows.joined(embed([text or "" for text in images.prompts]), pixel_by_pixel(images))
        return KernelQuery(own, rows, [tau / rows.width for tau in self.scales])

    def _embedding(self, texts: Texts) -> Callable[[Sequence[str]], Float32[np.ndarray, "text value"]]:
        """The map to vectors: the encoder's, or counts weighted by their rarity in these texts."""
        if self.encode(texts.distinct[:1]) is None:
            return WordCounts(texts.distinct)

        def embed(asked: Sequence[str]) -> Float32[np.ndarray, "text value"]:
            parts = [self.encode(asked[start : start + TEXTS_AT_ONCE]) for start in range(0, len(asked), TEXTS_AT_ONCE)]
            return of_length_one(np.concatenate([part for part in parts if part is not None]))

        return embed


class TextsThenPixels:
    """Rows of works: the vectors of their texts, then their pixels, which weigh little."""

    def __init__(self, texts: Rows, pixels: Rows) -> None:
        self.texts, self.pixels = texts, pixels
        self.width = texts.width + pixels.width

    def __len__(self) -> int:
        return len(self.pixels)

    def joined(
        self, texts: Float32[np.ndarray, "row value"], pixels: Float32[np.ndarray, "row value"]
    ) -> Float32[np.ndarray, "row value"]:
        """Vectors of texts and pixels as rows of this kind."""
        return np.concatenate([texts, pixels * np.float32((PIXELS_SHARE / self.pixels.width) ** 0.5)], axis=1)

    def take(self, rows: RowIndex) -> Float32[np.ndarray, "row value"]:
        return self.joined(self.texts.take(rows), self.pixels.take(rows))


class WordCounts:
    """Counts of words, each weighted by log((1 + texts) / (1 + texts with it)) + 1, hashed."""

    def __init__(self, texts: Sequence[str]) -> None:
        """``texts``: those that rarity is counted in."""
        text, word, words = words_of(texts)
        pairs = np.unique(np.stack([text, word]), axis=1)
        counts = np.bincount(pairs[1], minlength=len(words))
        self.texts = len(texts)
        self.counts = dict(zip(words, counts.tolist(), strict=True))

    def __call__(self, texts: Sequence[str]) -> Float32[np.ndarray, "text value"]:
        text, word, words = words_of(texts)
        hashed = [hashlib.blake2b(each.encode(), digest_size=8).digest() for each in words]
        numbers = np.array([int.from_bytes(each, "little") for each in hashed], dtype=np.uint64)
        rarity = np.log((1 + self.texts) / (1 + np.array([self.counts.get(each, 0) for each in words]))) + 1.0
        signed = rarity * np.where(numbers >> np.uint64(63), 1.0, -1.0)
        found = np.zeros((len(texts), PLACES), dtype=np.float32)
        np.add.at(found, (text, (numbers % np.uint64(PLACES)).astype(np.int64)[word]), signed[word])
        return of_length_one(found)


def words_of(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The words of some texts, in lower case: the text and the word of each, and the words."""
    split = pc.split_pattern_regex(pc.utf8_lower(pa.array(texts, pa.string())), r"[^\p{L}\p{N}]+")
    parents, flat = pc.list_parent_indices(split).to_numpy(), pc.list_flatten(split)
    kept = pc.not_equal(flat, "")
    encoded = flat.filter(kept).dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    text = parents[kept.to_numpy(zero_copy_only=False)].astype(np.int64)
    return text, encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_pylist()
