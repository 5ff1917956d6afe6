"""The space in which members work, and what a prediction takes: the words of the interface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Protocol, Self

from jaxtyping import Float
from torch import Tensor


class Condition(Protocol):
    """What the rows of a batch are conditioned on: class numbers, text embeddings, guidance.

    A tensor with one entry per row is a condition.
    """

    def __len__(self) -> int:
        """Number of rows."""

    def __getitem__(self, rows: Tensor, /) -> Self:
        """The rows of these numbers (int64), in this order; a number may repeat."""

    def to(self, device: str, /) -> Self:
        """The same on a device."""


Denoiser = Callable[[Tensor, Tensor, Any], Tensor]
"""eps = f(x_t, t, condition): x_t is [batch, channel, height, width], t is int64 [batch], the
condition has ``batch`` rows or is None."""


class Space:
    """The space in which members work; this one is that of pixels, where an image is its own x.

    Maps compute on their argument's device and in its type.
    """

    latent: ClassVar[bool] = False
    """Whether the space differs from pixels. Then works are encoded once and kept on disk, and the
    sampler does not clip the predicted clean x to [-1, 1]."""

    def encode(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch ..."]:
        """Images in [-1, 1] to the space of the members; deterministic, row by row."""
        return images

    def decode(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch channel height width"]:
        """Back to images, before clipping to [-1, 1]; differentiable, row by row."""
        return x
