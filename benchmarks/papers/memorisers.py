"""Members that no training can surpass: the exact minimisers of the loss on a member's works.

The prediction of noise with the smallest expected error on finitely many works w is the mean noise
under the posterior over these works (the optimal denoiser of Karras et al. 2022, appendix B.3):

    eps = (x_t - sqrt(alpha_bar) sum_w p_w w) / sqrt(1 - alpha_bar),
    p_w proportional to exp(-|x_t - sqrt(alpha_bar) w|^2 / (2 (1 - alpha_bar)))

One such member alone makes exact copies of its works. So an ensemble of these shows what remains of
copies when members that know different works are averaged, however long the training was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attribution.denoisers.ensemble import Ensemble
from benchmarks.papers.networks import ALPHA_BAR


@dataclass(frozen=True)
class Memorisers:
    """Members that need no training."""

    facts: ClassVar[dict[str, Any]] = {"network": "none: the exact minimiser of the loss on the member's works"}

    def ensemble(self, works: Sequence[Float[Tensor, "work channel height width"]]) -> Ensemble:
        """One member per set of works."""
        return Ensemble([Memoriser(images) for images in works])


class Memoriser:
    """A denoiser that knows its works."""

    def __init__(self, works: Float[Tensor, "work channel height width"]) -> None:
        self.works = works.flatten(1)
        self.squares = self.works.square().sum(dim=1)

    def __call__(
        self,
        x: Float[Tensor, "batch channel height width"],
        t: Int[Tensor, " batch"],
        condition: None = None,  # noqa: ARG002  # unconditional
    ) -> Float[Tensor, "batch channel height width"]:
        """Eps at x_t."""
        signal = ALPHA_BAR[t].to(x.dtype)[:, None]
        rows = x.flatten(1)
        # |x - a w|^2 without |x|^2, which is the same for all works.
        distance = signal * self.squares.to(x.dtype) - 2.0 * signal.sqrt() * (rows @ self.works.to(x.dtype).T)
        clean = torch.softmax(-distance / (2.0 * (1.0 - signal)), dim=1) @ self.works.to(x.dtype)
        return ((rows - signal.sqrt() * clean) / (1.0 - signal).sqrt()).reshape(x.shape)
