"""Scaled Euclidean distance of images.

As in ABC, pixels are in [0, 1] and distances are scaled as if every image had 256 x 256 x 3 values,
so distances of images of different sizes are comparable. Black to white is 443.4 at any size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

REFERENCE_VALUES = 256 * 256 * 3
"""Number of values of the reference image."""


@dataclass(frozen=True)
class NotMeasured:
    """The reason why a quantity was not measured, in place of its value: never a silent zero."""

    reason: str

    def to_json(self) -> dict[str, str]:
        """The stored form, in place of a number."""
        return {"not_measured": self.reason}


def euclidean_scale(values: int) -> float:
    """Factor from the Euclidean norm of a difference of outputs in [-1, 1] to the scaled distance.

    1/2, since pixels are in [0, 1], times sqrt(256 x 256 x 3 / values).
    """
    return 0.5 * math.sqrt(REFERENCE_VALUES / values)


def from_mean_square(mean_square: float) -> float:
    """The scaled distance from the mean squared difference of pixels in [0, 1]."""
    return math.sqrt(mean_square * REFERENCE_VALUES)


def euclidean(
    first: Float[Tensor, "*batch channel height width"], second: Float[Tensor, "*batch channel height width"]
) -> Float[Tensor, "*batch"]:
    """Scaled Euclidean distances (float64) of outputs in [-1, 1]; leading dimensions broadcast.

    Nothing is clipped: clamp both to compare the pictures that people see.
    """
    difference = (first.double() - second.double()).flatten(-3)
    length: Tensor = torch.linalg.vector_norm(difference, dim=-1)
    return length * euclidean_scale(difference.shape[-1])
