"""A similarity as an attack sees it: differentiable features of images, and works to compare with.

    similarity = pixel_similarity(works, units)     # works in [0, 1]
    similarity.nearest(image)                       # the unit of the most similar work

The verdict is the unit of the nearest work. :func:`attribution.firmness.flips.smallest_flip` looks
for the smallest change of the image that turns the verdict. Any classifier by prototypes is one:
its classes are the units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, UInt8
from torch import Tensor

Features = Callable[[Tensor], Tensor]
"""From images in [0, 1], (image, channel, height, width), to (image, value); differentiable."""


@dataclass(frozen=True, eq=False)
class Similarity:
    """Squared distances of features, and the works that compete."""

    name: str
    features: Features
    works: Float[Tensor, "work value"]
    """Their features."""
    units: Int64[np.ndarray, " work"]

    def distances(self, images: Float[Tensor, "image channel height width"]) -> Float[Tensor, "image unit"]:
        """Squared distance of each image to the nearest work of each unit of ``distinct``."""
        found = self.features(images)
        # By parts: the square of a sum loses digits where two features are almost equal.
        squares = (found[:, None, :] - self.works[None]).square().sum(dim=2)
        parts = [squares[:, torch.from_numpy(self.units == unit)].amin(dim=1) for unit in self.distinct]
        return torch.stack(parts, dim=1)

    @property
    def distinct(self) -> Int64[np.ndarray, " unit"]:
        """The units, ascending."""
        return np.unique(self.units)

    @torch.no_grad()
    def nearest(self, image: UInt8[np.ndarray, "height width channel"]) -> int:
        """The unit of the nearest work; of several at one distance, the first."""
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
    """The similarity under any features of images."""
    with torch.no_grad():
        values = features(torch.from_numpy(np.asarray(works, np.float64)))
    return Similarity(name, features, values, units)


def of_length_one(features: Features) -> Features:
    """Features scaled to length 1 for each image, as the rankers compare them."""

    def scaled(images: Tensor) -> Tensor:
        found = features(images)
        return torch.nn.functional.normalize(found, dim=1)

    return scaled
