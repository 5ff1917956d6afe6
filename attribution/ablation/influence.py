"""First-order influence of every unit on a sample, from its Jacobian.

Removing a unit with code b moves the weights by u_{-x} - u0 = -(b - h/n) / (n - h), so y moves by J
times that vector (*synthetic ablation*). Its length needs J only through G = J^T J: with c = b -
h/n,

    influence(x)^2 ~ c^T G c / (n - h)^2

so one Jacobian per sample gives the influence of every unit of any data set, at the price of a few
look-ups each (:mod:`attribution.ablation.scan`).

Influences to first order are estimates. They depend on the members more than on the unit, so
reports show them beside the evidence and never as evidence; see ``docs/method.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from attribution.ablation.exact import BoolArray, ablation_weights, check_removable
from attribution.ablation.scan.form import CODES_AT_ONCE, QuadraticForm
from attribution.metrics.euclidean import euclidean_scale
from registry.encodings.words import words_of_bits
from registry.errors import UsageError

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Radius:
    """Counterfactual radius (ABC): the largest influence on a sample, and its unit."""

    distance: float
    unit_number: int
    """The first of equals."""


def gram(jacobian: Float[Tensor, "batch member channel height width"]) -> Float[Tensor, "batch member member"]:
    """G = J^T J of every sample, in float64, so that two close ablations stay distinct."""
    columns = jacobian.double().flatten(2)
    return columns @ columns.mT


def influences(
    gram_matrix: Float[Tensor, "member member"], membership: BoolArray, values: int, *, at_once: int = CODES_AT_ONCE
) -> FloatArray:
    """First-order influences on one sample, in the scale of :mod:`attribution.metrics.euclidean`.

    Args:
        gram_matrix: G of the sample.
        membership: one row per unit, one column per member.
        values: number of values of the output, channels x height x width.
        at_once: units that one core takes at a time; changes speed only.

    Raises:
        CapacityError: a unit that every member saw.
        UsageError: membership is no boolean matrix over the members of G.
    """
    result: FloatArray = np.sqrt(square_influences(gram_matrix, membership, at_once=at_once)) * euclidean_scale(values)
    return result


def square_influences(
    gram_matrix: Float[Tensor, "member member"], membership: BoolArray, *, at_once: int = CODES_AT_ONCE
) -> FloatArray:
    """c^T G c / (n - h)^2 of every unit: the square of its unscaled influence.

    With G_phi of :mod:`attribution.metrics.perceptual` for G: the ablation's first-order LPIPS.

    Raises:
        CapacityError: a unit that every member saw.
        UsageError: membership is no boolean matrix over the members of G.
    """
    n = gram_matrix.shape[0]
    if membership.ndim != 2 or membership.shape[1] != n:
        raise UsageError(f"membership of shape {membership.shape}, expected one column for each of the {n} members")
    check_removable(membership)
    form = QuadraticForm.of_gram(gram_matrix.double().cpu().numpy())
    return form.values(words_of_bits(membership), at_once)


def synthetic_ablation(
    y: Float[Tensor, "channel height width"],
    jacobian: Float[Tensor, "member channel height width"],
    membership: BoolArray,
) -> Float[Tensor, "unit channel height width"]:
    """First-order estimate of the output without each row's unit, not clipped: y + J (u_{-x} - u0).

    Raises:
        CapacityError: a unit that every member saw.
    """
    move = (ablation_weights(membership) - 1.0 / membership.shape[1]).to(jacobian)
    moved: Tensor = torch.tensordot(move, jacobian, dims=1)
    return y + moved


def counterfactual_radius(influence: FloatArray) -> Radius:
    """The largest influence of any unit, whether estimated or measured; NaN: not measured.

    Raises:
        UsageError: there are no units, or none that was measured.
    """
    if np.isnan(influence).all():
        raise UsageError("no unit has an influence: a counterfactual radius needs at least one unit")
    furthest = int(np.nanargmax(influence))
    return Radius(float(influence[furthest]), furthest)
