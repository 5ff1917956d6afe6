"""A similarity kernel over pixels: exp(-||y - x||^2 / tau), with squared distances as means over the image's values.

Blind to the model altogether. Where works are memorised it is hard to beat; what it says is similarity, and no more.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64

from attribution.rankers.interface import Ranker

BANDWIDTHS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""tau: mean squared differences of pixels in [0, 1]; 0.01 is a difference of a tenth of the range everywhere."""

WORKS_AT_ONCE = 4096
"""Works per matrix product: bounds memory, changes nothing else."""


class PixelKernel(Ranker):
    """The kernel at every bandwidth of the grid."""

    name = "pixel-kernel"
    scales = BANDWIDTHS

    def score(
        self, images: Float[np.ndarray, "image value"], works: Float[np.ndarray, "work value"]
    ) -> Float64[np.ndarray, "scale image work"]:
        squared = mean_squared_differences(images, works)
        # A factor per image changes no order within it and keeps the nearest work from vanishing at small bandwidths.
        nearest = squared.min(axis=1, keepdims=True)
        return np.stack([np.exp(-(squared - nearest) / bandwidth) for bandwidth in self.scales])


def mean_squared_differences(
    images: Float[np.ndarray, "image value"], works: Float[np.ndarray, "work value"]
) -> Float64[np.ndarray, "image work"]:
    """Mean over the values of (image - work)^2, by matrix products in double precision, a block of works at a time."""
    left = images.astype(np.float64)
    own = (left**2).sum(axis=1)[:, None]
    squared = np.empty((len(left), len(works)))
    for start in range(0, len(works), WORKS_AT_ONCE):
        right = works[start : start + WORKS_AT_ONCE].astype(np.float64)
        squared[:, start : start + len(right)] = own - 2.0 * left @ right.T + (right**2).sum(axis=1)[None, :]
    mean: Float64[np.ndarray, "image work"] = np.maximum(squared, 0.0) / left.shape[1]
    return mean
