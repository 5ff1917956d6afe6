"""Exact ablation of a unit: leave out every member that saw the unit, re-weight the other members,
regenerate under the same noise.

For a unit with code b the members with b_i = 0 keep weight 1/(n - h). Since codes are distinct
words of equal weight, leaving one unit's members out removes that unit entirely and no other (ABC,
definition 1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor

from attribution.denoisers.ensemble import Ensemble
from attribution.denoisers.space import Condition
from attribution.sampling.sampler import sample
from attribution.sampling.schedule import SamplerSettings
from registry.encodings.codes import withdrawals_guaranteed
from registry.errors import CapacityError, UsageError

BoolArray = npt.NDArray[np.bool_]
ROWS_AT_ONCE = 64
"""Units regenerated as one batch: enough that a member's share keeps a core or a GPU busy."""


def ablation_weights(membership: BoolArray) -> Float[Tensor, "unit member"]:
    """Float64 weights without each row's unit: 0 for members that saw it, equal for the others.

    ``membership`` has a row per unit, a column per member (:func:`registry.encodings.words.bits`).

    Raises:
        CapacityError: a unit that every member saw.
        UsageError: not a matrix.
    """
    check_removable(membership)
    survivors = ~membership
    return torch.from_numpy(survivors / survivors.sum(axis=1, keepdims=True))


def check_removable(membership: BoolArray) -> None:
    """Check that each row's unit leaves some members.

    Raises:
        CapacityError: a unit that every member saw.
        UsageError: not a matrix.
    """
    _check_matrix(membership)
    if membership.all(axis=1).any():
        raise CapacityError(
            f"all {membership.shape[1]} members saw this unit: it cannot be removed; encode with a smaller weight h"
        )


def joint_ablation_weights(membership: BoolArray) -> Float[Tensor, " member"]:
    """Weights without any of the rows' units: the survivors are the members that saw none of them.

    Raises:
        CapacityError: no member is left; says how many units the encoding can lose at once.
    """
    _check_matrix(membership)
    seen = np.logical_or.reduce(membership, axis=0, keepdims=True)
    if not seen.all():
        return ablation_weights(seen)[0]
    n, h = membership.shape[1], int(membership.sum(axis=1).max())
    fit = int((~np.logical_or.accumulate(membership, axis=0)).any(axis=1).sum())
    raise CapacityError(
        f"removing {len(membership)} units at once leaves none of the {n} members: with {h} members a unit this "
        f"encoding can lose any {withdrawals_guaranteed(n, h)} at once, and of these the first {fit}; "
        "remove fewer, or encode with more members or a smaller weight"
    )


def counterfactuals(
    ensemble: Ensemble,
    noise: Float[Tensor, "draw channel height width"],
    settings: SamplerSettings,
    membership: BoolArray,
    *,
    condition: Condition | None = None,
    rows_at_once: int = ROWS_AT_ONCE,
    advanced: Callable[[int], None] | None = None,
) -> Float[Tensor, "unit channel height width"]:
    """One sample without each unit, one unit at a time, under the sample's own noise; not clipped.

    Units are the rows of a batch. A member is evaluated only on the rows that it survives, so one
    ablation costs (n - h)/n of a plain sample and shares every kernel call with the others.
    ``rows_at_once`` changes memory and speed, and results by rounding only. ``membership`` has a
    row per unit, ``condition`` one row. ``advanced`` gets the number of units just done.

    Raises:
        CapacityError: a unit that every member saw.
        UsageError: shapes that contradict each other.
    """
    if not len(membership):
        return ensemble.space.decode(noise[:0])
    batches = counterfactual_batches(
        ensemble, noise, settings, membership, condition=condition, rows_at_once=rows_at_once, advanced=advanced
    )
    units, outputs = zip(*batches, strict=True)
    return torch.cat(outputs)[torch.from_numpy(np.argsort(np.concatenate(units))).to(noise.device)]


def counterfactual_batches(
    ensemble: Ensemble,
    noise: Float[Tensor, "draw channel height width"],
    settings: SamplerSettings,
    membership: BoolArray,
    *,
    condition: Condition | None = None,
    rows_at_once: int = ROWS_AT_ONCE,
    advanced: Callable[[int], None] | None = None,
) -> Iterator[tuple[Int[np.ndarray, " part"], Float[Tensor, "part channel height width"]]]:
    """:func:`counterfactuals` batch by batch, each batch with the indices of its units.

    A landscape thus never holds all images at once. Units that the same members saw (possible once
    some members are out of service) share one counterfactual.
    """
    weights = ablation_weights(membership)
    _, first, place = np.unique(membership, axis=0, return_index=True, return_inverse=True)
    # Distinct rows in order of their first unit, so that a landscape's batches follow the units'
    # numbers.
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    row_of = rank[place.reshape(-1)]
    for start in range(0, len(order), rows_at_once):
        part = weights[torch.from_numpy(first[order[start : start + rows_at_once]])]
        rows = noise.expand(len(part), *noise.shape)
        repeated = None if condition is None else condition[torch.zeros(len(part), dtype=torch.int64)]
        outputs = sample(ensemble, rows, settings, weights=part, condition=repeated)
        units = np.flatnonzero((row_of >= start) & (row_of < start + rows_at_once))
        yield units, outputs[torch.from_numpy(row_of[units] - start).to(outputs.device)]
        if advanced is not None:
            advanced(len(units))


def _check_matrix(membership: BoolArray) -> None:
    if membership.ndim != 2 or membership.dtype != np.bool_:
        raise UsageError(
            f"membership is {membership.dtype} of shape {membership.shape}, expected booleans of shape (units, members)"
        )
