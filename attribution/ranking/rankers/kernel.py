"""The similarity kernel exp(-||y - x||^2 / tau) over rows of values, and its rankers on pixels and
on latents.

Squared distances are means over the values. They come from matrix products, ||y||^2 - 2 <y, x> +
||x||^2, in single precision: the error, about 1e-6, is far below the smallest bandwidth. Reported
values have double precision (:func:`mean_squared_differences`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from attribution.denoisers.space import Space
from attribution.ranking.rankers.interface import Images, Query, Ranker, RowIndex, Rows, Works, pixel_by_pixel
from registry.errors import UsageError

BANDWIDTHS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""tau, a mean squared difference of pixels in [0, 1]; 0.01: a tenth at every pixel."""
LATENT_BANDWIDTHS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""tau, a mean squared difference of latents, which bases scale to a variance of about 1."""
ENCODED_AT_ONCE = 8
"""Images in one pass of an encoder."""
WORKS_AT_ONCE = 4096
"""Works per matrix product: bounds memory and does not change the result."""


class PixelKernel(Ranker):
    """The kernel over pixels: similarity, no model; hard to beat where works are memorised."""

    name = "pixel-kernel"
    scales = BANDWIDTHS

    def prepare(self, images: Images, works: Works) -> Query:
        return KernelQuery(pixel_by_pixel(images), works.pixels, self.scales)


class LatentKernel(Ranker):
    """The kernel over the latents in which members of a latent kind work.

    A latent counts the parts of a picture by what the encoder keeps of them: outlines and colours
    of patches, hardly their grain.
    """

    name = "latent-kernel"
    scales = LATENT_BANDWIDTHS

    def __init__(self, space: Space) -> None:
        """``space``: of the members."""
        self.space = space

    def prepare(self, images: Images, works: Works) -> Query:
        return KernelQuery(latents_of(images, self.space), latent_rows(works), self.scales)


def latents_of(images: Images, space: Space) -> Float32[np.ndarray, "image value"]:
    """Images in the space of the members, flattened as in torch."""
    return np.ascontiguousarray(encoded_pictures(images.pictures, space).float().flatten(1).numpy())


@torch.no_grad()
def encoded_pictures(pictures: Float32[np.ndarray, "image channel height width"], space: Space) -> Tensor:
    """Pictures in [0, 1] in the space of the members, [image, channel, height, width]."""
    parts = torch.split(torch.from_numpy(pictures) * 2.0 - 1.0, ENCODED_AT_ONCE)
    return torch.cat([space.encode(part) for part in parts])


def latent_rows(works: Works) -> Rows:
    """The works' latents.

    Raises:
        UsageError: the works have none.
    """
    if works.latents is None:
        raise UsageError("these works have no latents: rank them by their pixels")
    return works.latents


class KernelQuery(Query):
    """The kernel of a few images at every bandwidth of a grid."""

    same_order: ClassVar[bool] = True

    def __init__(self, images: Float32[np.ndarray, "image value"], rows: Rows, bandwidths: Sequence[float]) -> None:
        """``images``: values in the order of ``rows``; ``bandwidths``: of mean squares."""
        self.images, self.rows = images, rows
        self.own = squared_norms(images)
        self.factors = np.asarray([-1.0 / (bandwidth * rows.width) for bandwidth in bandwidths], dtype=np.float32)

    def log_scores(self, rows: RowIndex) -> Float32[np.ndarray, "image scale row"]:
        works = self.rows.take(rows)
        squared = self.images @ works.T
        squared *= -2.0
        squared += self.own[:, None]
        squared += squared_norms(works)[None, :]
        np.maximum(squared, 0.0, out=squared)
        return np.asarray(squared[:, None, :] * self.factors[None, :, None])


def of_length_one(vectors: Float[np.ndarray, "row value"]) -> Float32[np.ndarray, "row value"]:
    """Vectors scaled to length 1; zeros stay zeros."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), dtype=np.float32)


def squared_norms(rows: Float32[np.ndarray, "row value"]) -> Float32[np.ndarray, " row"]:
    """||x||^2 of every row."""
    return np.asarray(np.einsum("rv,rv->r", rows, rows), dtype=np.float32)


def mean_squared_differences(
    images: Float[np.ndarray, "image value"], works: Float[np.ndarray, "work value"]
) -> Float64[np.ndarray, "image work"]:
    """Mean over the values of (image - work)^2, by matrix products in double precision."""
    left = images.astype(np.float64)
    own = (left**2).sum(axis=1)[:, None]
    squared = np.empty((len(left), len(works)))
    for start in range(0, len(works), WORKS_AT_ONCE):
        right = works[start : start + WORKS_AT_ONCE].astype(np.float64)
        squared[:, start : start + len(right)] = own - 2.0 * left @ right.T + (right**2).sum(axis=1)[None, :]
    mean: Float64[np.ndarray, "image work"] = np.maximum(squared, 0.0) / left.shape[1]
    return mean
