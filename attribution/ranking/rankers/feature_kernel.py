"""A similarity kernel over features: the distance of two pictures as a pretrained network sees it.

Features come from an :class:`Embedding`, any function from images in [0, 1] to vectors, scaled to
length 1. On them the kernel is that of :mod:`attribution.ranking.rankers.kernel`: exp(-||f(y) -
f(x)||^2 / tau). Features of works are kept in half precision
(:mod:`attribution.ranking.rankers.work_features`). Those of very many works may be searched through
an index (:mod:`attribution.ranking.rankers.nearest`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float32

from attribution.ranking.rankers.interface import ArrayRows, Candidates, Images, Query, Ranker, Rows, Works
from attribution.ranking.rankers.kernel import KernelQuery, of_length_one
from attribution.ranking.rankers.nearest.index import settings as index_settings
from attribution.ranking.rankers.nearest.library import MOST_VALUES
from attribution.ranking.rankers.nearest.search import FeatureSearch, why_exact
from attribution.ranking.rankers.work_features import FeatureFile, work_features
from registry.ids import sha256_of

BANDWIDTHS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""tau: squared distances of vectors of length 1, from 0 to 4; about 1 for unrelated pictures."""
IMAGES_AT_ONCE = 64


class Embedding(ABC):
    """A fixed map from images to features; an image's features do not depend on its batch."""

    name: str
    """The name of the embedding and of its ranker."""
    width: int
    """Values of a feature vector."""

    @property
    @abstractmethod
    def sha256(self) -> str:
        """SHA-256 (hex) of the weights, or of everything else that decides the features."""

    reads_texts: ClassVar[bool] = False
    """Whether features depend on texts: :meth:`embed_under` is then overridden."""

    @abstractmethod
    def embed(self, images: Float32[np.ndarray, "image channel height width"]) -> Float32[np.ndarray, "image feature"]:
        """Features of any length of images in [0, 1], with 1 or 3 channels and of any size."""

    def embed_under(
        self,
        images: Float32[np.ndarray, "image channel height width"],
        texts: Sequence[str | None],  # noqa: ARG002  # for features that depend on them
    ) -> Float32[np.ndarray, "image feature"]:
        """Features of images, each with the text that it was made or trained under, if any."""
        return self.embed(images)


class FeatureKernel(Ranker):
    """The kernel in one embedding, at every bandwidth of the grid."""

    scales = BANDWIDTHS

    def __init__(
        self,
        embedding: Embedding,
        on_progress: Callable[[int, int], object] = lambda _done, _total: None,
        *,
        indexed: bool = True,
    ) -> None:
        """``on_progress`` gets (works embedded now, works in all); ``indexed``: whether very many
        works may be searched through an index.
        """
        self.embedding, self.on_progress, self.indexed = embedding, on_progress, indexed
        self.name = embedding.name
        self._features: tuple[Works, ArrayRows, FeatureSearch] | None = None

    def settings(self) -> dict[str, Any]:
        return {"weights_sha256": self.embedding.sha256}

    def searches(self, works: int) -> Mapping[str, Any]:
        searched = why_exact(works, wanted=self.indexed) is None and self.embedding.width <= MOST_VALUES
        return index_settings() if searched else {}

    def prepare(self, images: Images, works: Works) -> Query:
        if self._features is None or self._features[0] is not works:
            content = {
                "embedding": self.embedding.name,
                "weights": self.embedding.sha256,
                "width": self.embedding.width,
            }
            texts = works.texts if self.embedding.reads_texts else None
            kind = sha256_of(content)
            if texts is not None:
                content["texts"] = texts.sha256

            def compute(pictures: Float32[np.ndarray, "work channel height width"], rows: slice) -> np.ndarray:
                return embedded(self.embedding, pictures, () if texts is None else texts.of(rows))

            file = FeatureFile(self.embedding.name, content, self.embedding.width, np.float16)
            found = work_features(file, works, images.shape, compute, self.on_progress)
            path = None if works.folder is None else file.path(works, works.folder)
            search = FeatureSearch(found, path, kind, self.indexed, self.on_progress)
            self._features = works, found, search
        _, rows, search = self._features
        # KernelQuery divides means of squared differences; tau here divides sums.
        own = embedded(self.embedding, images.pictures, images.texts)
        return FeatureQuery(own, rows, [tau / rows.width for tau in self.scales], search)


class FeatureQuery(KernelQuery):
    """The kernel of a few images on features, which an index may search."""

    def __init__(
        self, images: Float32[np.ndarray, "image value"], rows: Rows, bandwidths: Sequence[float], search: FeatureSearch
    ) -> None:
        super().__init__(images, rows, bandwidths)
        self.search = search

    def candidates(self) -> Candidates | None:
        return self.search.candidates(self.images)

    def searched(self, *, used: bool) -> Mapping[str, Any]:
        return self.search.facts(used=used)


def embedded(
    embedding: Embedding, images: Float32[np.ndarray, "image channel height width"], texts: Sequence[str | None] = ()
) -> Float32[np.ndarray, "image feature"]:
    """The features of images, scaled to length 1; ``texts``: of each image, or none at all."""
    found = np.empty((len(images), embedding.width), dtype=np.float32)
    for start in range(0, len(images), IMAGES_AT_ONCE):
        part = slice(start, start + IMAGES_AT_ONCE)
        shown = images[part]
        found[part] = of_length_one(embedding.embed_under(shown, texts[part] or [None] * len(shown)))
    return found
