"""The space in which members work, and the types of a prediction's function and condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Protocol, Self

from jaxtyping import Float
from torch import Tensor


class Condition(Protocol):
    """The condition of a batch, by row: class numbers (a tensor), text embeddings, guidance."""

    def __len__(self) -> int:
        """Number of rows."""

    def __getitem__(self, rows: Tensor, /) -> Self:
        """The rows of these numbers (int64), in this order; numbers may repeat."""

    def to(self, device: str, /) -> Self:
        """A copy on a device."""


Denoiser = Callable[[Tensor, Tensor, Any], Tensor]
"""eps = f(x_t, t, condition): x_t is [batch, channel, height, width], t is int64 [batch], the
condition has ``batch`` rows or is None."""


class Space:
    """The space in which members work: pixels, unless overridden; maps keep device and type."""

    latent: ClassVar[bool] = False
    """Whether x is not pixels: works are then encoded once and kept on disk, and the sampler does
    not clip the predicted clean x to [-1, 1]."""

    def encode(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch ..."]:
        """Images in [-1, 1] to the space of the members; deterministic, row by row."""
        return images

    def decode(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch channel height width"]:
        """Back to images, before clipping to [-1, 1]; differentiable, row by row."""
        return x

    def tangents_at_once(self, x: Float[Tensor, "batch ..."]) -> int | None:  # noqa: ARG002  # for large networks
        """Tangents of x that fit into memory beside each other, in a member or in :meth:`decode`.

        None: all.
        """
        return None

    def rows_in_one_call(self, device: str) -> int | None:  # noqa: ARG002  # for large networks
        """Rows of x that one call of a member's network takes; a member cuts a larger batch.

        None: any number.
        """
        return None
