"""A similarity kernel over rows of values, exp(-||y - x||^2 / tau), with squared distances as means
over the values.

Distances come from matrix products, ||y||^2 - 2 <y, x> + ||x||^2, in single precision: their error,
about 1e-6, is far below the smallest bandwidth. What is shown to people is computed again in double
precision (:func:`mean_squared_differences`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Float32, Float64

from attribution.ranking.rankers.interface import Query, RowIndex, Rows

WORKS_AT_ONCE = 4096
"""Works per matrix product: bounds memory, changes nothing else."""


class KernelQuery(Query):
    """The kernel of a few images at every bandwidth of a grid."""

    same_order: ClassVar[bool] = True

    def __init__(self, images: Float32[np.ndarray, "image value"], rows: Rows, bandwidths: Sequence[float]) -> None:
        """``images`` has its values in the order of ``rows``; ``bandwidths`` are those of mean
        squared differences.
        """
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


def squared_norms(rows: Float32[np.ndarray, "row value"]) -> Float32[np.ndarray, " row"]:
    """||x||^2 of every row."""
    return np.asarray(np.einsum("rv,rv->r", rows, rows), dtype=np.float32)


def mean_squared_differences(
    images: Float[np.ndarray, "image value"], works: Float[np.ndarray, "work value"]
) -> Float64[np.ndarray, "image work"]:
    """Mean over the values of (image - work)^2, by matrix products in double precision, a block of
    works at a time.
    """
    left = images.astype(np.float64)
    own = (left**2).sum(axis=1)[:, None]
    squared = np.empty((len(left), len(works)))
    for start in range(0, len(works), WORKS_AT_ONCE):
        right = works[start : start + WORKS_AT_ONCE].astype(np.float64)
        squared[:, start : start + len(right)] = own - 2.0 * left @ right.T + (right**2).sum(axis=1)[None, :]
    mean: Float64[np.ndarray, "image work"] = np.maximum(squared, 0.0) / left.shape[1]
    return mean
