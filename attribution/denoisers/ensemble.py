"""The ensemble: n denoisers under weights, eps_v(x, t) = sum_i v_i f_i(x, t).

The members' outputs F = [f_1 .. f_n] are kept apart until the last moment, because the evidence is
the contrast between members that saw a work and members that did not. F is also the part of the
Jacobian over the weights that costs nothing.

Weights may differ between the rows of a batch, and a member is evaluated only on rows where its
weight is not zero, so many ablations under one noise run as one batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attribution.denoisers.space import Condition, Denoiser, Space
from attribution.forward_ad import propagate
from registry.errors import UsageError

MAXIMUM_MEMBERS = 64
"""A code is one 64-bit word."""


@dataclass(frozen=True)
class Ensemble:
    """The members, in order of their bit in the codes, and the space in which they work.

    A kind whose members share work overrides :meth:`predict`, :meth:`merged`, and
    :meth:`predict_with_tangents` if tangents can share it too.

    Raises:
        UsageError: there is no member, or more than a code has bits.
    """

    members: Sequence[Denoiser]
    space: Space = field(default_factory=Space)

    def __post_init__(self) -> None:
        if not 1 <= len(self.members) <= MAXIMUM_MEMBERS:
            raise UsageError(f"an ensemble of {len(self.members)} members: expected 1 to {MAXIMUM_MEMBERS}")

    @property
    def n(self) -> int:
        return len(self.members)

    def uniform_weights(self) -> Float[Tensor, " member"]:
        """u0 = (1/n, ..., 1/n), in float64."""
        return torch.full((self.n,), 1.0 / self.n, dtype=torch.float64)

    def predict(
        self,
        x: Float[Tensor, "batch channel height width"],
        timestep: int | Int[Tensor, " batch"],
        condition: Condition | None = None,
        weights: Float[Tensor, "batch member"] | None = None,
    ) -> Float[Tensor, "member batch channel height width"]:
        """F(x, t): every member's prediction of the noise.

        With ``weights``, a member is not evaluated on rows of weight 0; its output there is 0.
        """
        t = by_row(timestep, x)
        if weights is None:
            return torch.stack([member(x, t, condition) for member in self.members])
        outputs = x.new_zeros((self.n, *x.shape))
        needed = (weights != 0).cpu()
        for index, member in enumerate(self.members):
            rows = needed[:, index].nonzero().flatten().to(x.device)
            if len(rows):
                outputs[index, rows] = member(x[rows], t[rows], None if condition is None else condition[rows])
        return outputs

    def predict_with_tangents(
        self,
        x: Float[Tensor, "batch channel height width"],
        tangents: Float[Tensor, "tangent batch channel height width"],
        timestep: int,
        condition: Condition | None,
        carriers: Sequence[int],
    ) -> tuple[Float[Tensor, "member batch channel height width"], Float[Tensor, "tangent batch channel height width"]]:
        """F(x, t), and for every tangent X the mean of J_{f_i}(x) X over the members ``carriers``.

        Raises:
            UsageError: a member works in place.
        """
        t = by_row(timestep, x)
        outputs = []
        carried = torch.zeros_like(tangents)
        for index, member in enumerate(self.members):
            if index in carriers:
                value, moved = propagate(
                    lambda point, member=member: member(point, t, condition),  # type: ignore[misc]  # the default binds the loop's member
                    x,
                    tangents,
                    self.space.tangents_at_once(x),
                )
                carried.add_(moved, alpha=1.0 / len(carriers))
            else:
                value = member(x, t, condition)
            outputs.append(value)
        return torch.stack(outputs), carried

    def merged(self, weights: Float[Tensor, " member"]) -> Ensemble:  # noqa: ARG002  # for kinds that can
        """One member for all: it adds to the shared base the weighted mean of what they add.

        Members of weight 0 leave no trace in it.

        Raises:
            UsageError: the members share no base.
        """
        raise UsageError("the members share no base, so they cannot be merged: sample with --serve mean")


def by_row(timestep: int | Int[Tensor, " batch"], x: Float[Tensor, "batch ..."]) -> Int[Tensor, " batch"]:
    """One timestep per row of x."""
    if isinstance(timestep, Tensor):
        return timestep
    return torch.full((len(x),), timestep, dtype=torch.int64, device=x.device)


def mix(
    outputs: Float[Tensor, "member batch channel height width"],
    weights: Float[Tensor, " member"] | Float[Tensor, "batch member"],
) -> Float[Tensor, "batch channel height width"]:
    """eps_v = sum_i v_i f_i, with one v for all rows or one v per row."""
    v = weights.to(outputs)
    return torch.einsum("i...,i->..." if v.ndim == 1 else "ibchw,bi->bchw", outputs, v)
