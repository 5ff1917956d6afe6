"""The ensemble: n denoisers under weights, eps_v(x, t) = sum_i v_i f_i(x, t).

The members' outputs F = [f_1 .. f_n] are kept apart until the last moment, since they are what the
evidence is made of: the contrast between members that saw a work and members that did not needs
every member's own prediction, and F is also the part of the Jacobian over the weights that costs
nothing.

Weights may differ between the rows of a batch. A member is evaluated only on rows where its weight
is not zero, so many ablations under one noise run as one batch in which each member follows only
the trajectories that it survives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from registry.errors import UsageError

Denoiser = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""eps = f(x, t, labels): x is batch x channel x height x width; t is int64 of length batch; so are
labels, or None."""

MAXIMUM_MEMBERS = 64
"""A code is one 64-bit number."""


@dataclass(frozen=True)
class Ensemble:
    """The members, in order of their bit in the codes.

    Raises:
        UsageError: there is no member, or more than a code has bits.
    """

    members: Sequence[Denoiser]

    def __post_init__(self) -> None:
        if not 1 <= len(self.members) <= MAXIMUM_MEMBERS:
            raise UsageError(f"an ensemble of {len(self.members)} members: expected 1 to {MAXIMUM_MEMBERS}")

    @property
    def n(self) -> int:
        return len(self.members)

    def uniform_weights(self) -> Float[Tensor, " member"]:
        """u0 = (1/n, ..., 1/n), in float64."""
        return torch.full((self.n,), 1.0 / self.n, dtype=torch.float64)

    def evaluate(
        self,
        x: Float[Tensor, "batch channel height width"],
        timestep: int,
        labels: Int[Tensor, " batch"] | None = None,
        weights: Float[Tensor, "batch member"] | None = None,
    ) -> Float[Tensor, "member batch channel height width"]:
        """F(x, t): every member's prediction of the noise.

        With ``weights``, a member is not evaluated on rows where its weight is zero; its output
        there is zero.
        """
        t = torch.full((len(x),), timestep, dtype=torch.int64, device=x.device)
        if weights is None:
            return torch.stack([member(x, t, labels) for member in self.members])
        outputs = x.new_zeros((self.n, *x.shape))
        needed = (weights != 0).cpu()
        for index, member in enumerate(self.members):
            rows = needed[:, index].nonzero().flatten().to(x.device)
            if len(rows):
                outputs[index, rows] = member(x[rows], t[rows], None if labels is None else labels[rows])
        return outputs


def mix(
    outputs: Float[Tensor, "member batch channel height width"],
    weights: Float[Tensor, " member"] | Float[Tensor, "batch member"],
) -> Float[Tensor, "batch channel height width"]:
    """eps_v = sum_i v_i f_i, with one v for all rows or one per row."""
    v = weights.to(outputs)
    return torch.einsum("i...,i->..." if v.ndim == 1 else "ibchw,bi->bchw", outputs, v)
