"""How far apart two images are, and how to say that it was not measured.

Euclidean distance as in ABC: pixels in [0, 1], as if every image had 256 x 256 x 3 values, so that
the distances of images of different sizes compare. Black to white is then 443.4 at any size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

REFERENCE_VALUES = 256 * 256 * 3
"""Number of values of the image size that distances are quoted for."""


@dataclass(frozen=True)
class NotMeasured:
    """A quantity that could not be had, with its reason; never a silent zero."""

    reason: str

    def to_json(self) -> dict[str, str]:
        """The form that is stored where a number would be."""
        return {"not_measured": self.reason}


def euclidean_scale(values: int) -> float:
    """What the Euclidean norm of a difference of two outputs in [-1, 1] with this many values is
    multiplied by.

    Half, since pixels lie in [0, 1], times sqrt(256 x 256 x 3 / values).
    """
    return 0.5 * math.sqrt(REFERENCE_VALUES / values)


def from_mean_square(mean_square: float) -> float:
    """The same distance from a mean over all values of squared differences of pixels in [0, 1]."""
    return math.sqrt(mean_square * REFERENCE_VALUES)


def euclidean(
    first: Float[Tensor, "*batch channel height width"], second: Float[Tensor, "*batch channel height width"]
) -> Float[Tensor, "*batch"]:
    """Scaled Euclidean distances (float64) of outputs in [-1, 1]; leading dimensions broadcast.

    Nothing is clipped here: clamp both to compare the pictures that people see.
    """
    difference = (first.double() - second.double()).flatten(-3)
    length: Tensor = torch.linalg.vector_norm(difference, dim=-1)
    return length * euclidean_scale(difference.shape[-1])
