"""A verdict as an attack sees it: a differentiable distance of an image to each of some classes.

    similarity = pixel_similarity(works, units)     # works in [0, 1]
    similarity.nearest(image)                       # the unit of the nearest work

The verdict is the nearest class: a unit with its works, or, for a classifier of an imitation audit
(:mod:`attribution.imitation.identification`), an artist. The ranking of an audit has a verdict of
its own (:mod:`attribution.firmness.ranking`).
:mod:`attribution.firmness.flips` looks for the smallest change of the image that turns it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64, UInt8
from torch import Tensor

Features = Callable[[Tensor], Tensor]
"""From images in [0, 1], (image, channel, height, width), to (image, value); differentiable."""


@dataclass(frozen=True, eq=False)
class Similarity:
    """Distances of an image to each class."""

    name: str
    distances: Callable[[Tensor], Tensor]
    """From images in [0, 1] to (image, class), differentiable; the smallest is the verdict."""
    distinct: Int64[np.ndarray, " class"]
    """The classes, ascending: numbers of units or of artists."""
    verdict: Callable[[UInt8[np.ndarray, "height width channel"]], int] | None = None
    """The verdict itself, where the distances only lead the search for a change; None: the nearest
    class is the verdict."""

    def nearest(self, image: UInt8[np.ndarray, "height width channel"]) -> int:
        """The verdict: the nearest class; of several at one distance, the first."""
        if self.verdict is not None:
            return self.verdict(image)
        with torch.no_grad():
            return int(self.distinct[int(self.distances(as_tensor(image)).argmin())])


def as_tensor(image: UInt8[np.ndarray, "height width channel"]) -> Float[Tensor, "one channel height width"]:
    """An image of 8 bits as a batch in [0, 1], in double precision."""
    return torch.from_numpy(np.moveaxis(image, -1, 0).astype(np.float64) / 255.0)[None]


def pixel_similarity(
    works: Float32[np.ndarray, "work channel height width"], units: Int64[np.ndarray, " work"]
) -> Similarity:
    """The distance of pixels."""
    return similarity_of("pixels", lambda images: images.flatten(1), works, units)


def similarity_of(
    name: str,
    features: Features,
    works: Float32[np.ndarray, "work channel height width"],
    units: Int64[np.ndarray, " work"],
) -> Similarity:
    """Squared distances of any features to the nearest work of each unit."""
    with torch.no_grad():
        values = features(torch.from_numpy(np.asarray(works, np.float64)))
    distinct = np.unique(units)
    chosen = [torch.from_numpy(units == unit) for unit in distinct]

    def distances(images: Tensor) -> Tensor:
        # The square of a sum would lose digits where two features are almost equal.
        squares = (features(images)[:, None, :] - values[None]).square().sum(dim=2)
        return torch.stack([squares[:, each].amin(dim=1) for each in chosen], dim=1)

    return Similarity(name, distances, distinct)


def prototype_similarity(
    name: str,
    features: Features,
    mean: Float64[np.ndarray, " value"],
    deviation: Float64[np.ndarray, " value"],
    prototypes: Float64[np.ndarray, "class value"],
    level: Float64[np.ndarray, " class"] | None = None,
) -> Similarity:
    """A linear classifier, such as one by prototypes: the class with the largest product of its
    prototype and the image's features.

    Features are standardised by ``mean`` and ``deviation`` and have length 1; the distance is minus
    the product, minus the ``level`` of the class, if there is one.
    """
    centre, spread, directions = (torch.from_numpy(each) for each in (mean, deviation, prototypes))
    above = torch.from_numpy(np.zeros(len(prototypes)) if level is None else level)

    def distances(images: Tensor) -> Tensor:
        found = (features(images).double() - centre) / spread
        return -(torch.nn.functional.normalize(found, dim=1) @ directions.T) - above

    return Similarity(name, distances, np.arange(len(prototypes)))


def of_length_one(features: Features) -> Features:
    """Features scaled to length 1 for each image, as the rankers compare them."""

    def scaled(images: Tensor) -> Tensor:
        found = features(images)
        return torch.nn.functional.normalize(found, dim=1)

    return scaled
