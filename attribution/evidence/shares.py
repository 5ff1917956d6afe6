"""Shares of an output: what each tested unit contributed, in parts that sum to 1.

Members predict the output differently, because they saw different works. Let Y_i be member i's
prediction minus the mean of all members, z_k the direction from that mean to the picture of unit k,
and c_k the unit's centred bits. One regression over the whole shortlist, with the other neighbours
of the ranking beside it,

    Y_i ~ sum_k theta_k c_ki z_k,    theta_k >= 0

takes the effect of every unit after those of all others. A negative effect, away from the unit's
own picture, is no contribution. A set S of units explains || sum_S theta_k c_k x z_k ||^2 of the
members' differences. The Shapley value of unit k in this game has a closed form,

    phi_k = < theta_k c_k x z_k, sum_l theta_l c_l x z_l >

and the values sum to what the whole shortlist explains. With Q the squared length of all
differences, || Y ||^2,

    share_k = phi_k / Q

The rest is the *unattributed* part: works that are not on the list, the base model, and the
randomness of training.

Codes of no unit explain something too, by chance. So theta_k^2 is multiplied by 1 - E / T^2, where
T is the unit's own alignment and E the mean square of the decoys' alignment with what no effect
explains; at or below that, the unit has no share. Simulated members have shares without bias this
way.

Works that show nearly the same picture are treated alike: each has an equal part of what their
group has, since nothing tells them apart.

The interval resamples the members: the Bayesian bootstrap (Rubin 1981) gives every member a random
weight, the regression runs again, and the middle 95 % of the shares are the interval. Members are
the right thing to resample: they are independent given their works, and there are few of them.

The rule was chosen among others by retraining (``benchmarks/results/shares.json``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64
from scipy.optimize import nnls

from attribution.evidence.adjustment import RIDGE, Neighbours, centred
from attribution.evidence.effect_interval import NO_NUMBER
from attribution.metrics.euclidean import NotMeasured

METHOD = (
    "Shapley values of what candidates explain of the members' differences, "
    "from one regression of the members' predictions on all candidates' codes"
)
INTERVAL = "95 % interval by resampling the members"
LEVEL = 0.05
NOT_OURS = "an image that was not generated here is not divided: these members did not make it"
DRAWS = 400
"""Resamples of the members."""
DECOYS = 512
"""Decoys that the chance part is averaged over, at most."""


@dataclass(frozen=True)
class Shares:
    """Shares of one output; the last entry is the unattributed part."""

    value: Float64[np.ndarray, " unit_and_rest"]
    """They sum to 1."""
    low: Float64[np.ndarray, " unit_and_rest"]
    high: Float64[np.ndarray, " unit_and_rest"]
    draws: Float64[np.ndarray, "draw unit_and_rest"]
    """The shares under each resample of the members; each row sums to 1."""

    def to_json(self) -> dict[str, Any]:
        """The entry in an audit's facts; units are named by their rank, their place from 1."""
        parts = [
            {"share": float(value), "low": float(low), "high": float(high)}
            for value, low, high in zip(self.value, self.low, self.high, strict=True)
        ]
        return {
            "method": METHOD,
            "interval": INTERVAL,
            "level": LEVEL,
            "draws": len(self.draws),
            "candidates": [{"rank": place, **part} for place, part in enumerate(parts[:-1], start=1)],
            "unattributed": parts[-1],
        }


@dataclass(frozen=True)
class Regression:
    """All inner products that the shares need."""

    membership: Float64[np.ndarray, "unit member"]
    decoys: Float64[np.ndarray, "unit decoy member"]
    directions: Float64[np.ndarray, "unit unit"]
    """Inner products of the units' directions."""
    adjusted: Float64[np.ndarray, "unit member"]
    """Inner products of directions and members' deviations, without the neighbours' effects."""
    deviations: Float64[np.ndarray, "member member"]
    """Inner products of the members' deviations."""


def shares_of(
    predictions: Float64[np.ndarray, "member value"],
    images: Float[np.ndarray, "unit value"],
    membership: Bool[np.ndarray, "unit member"],
    decoys: Bool[np.ndarray, "decoy member"] | Bool[np.ndarray, "unit decoy member"],
    neighbours: Neighbours | None,
    look_alikes: Sequence[Int64[np.ndarray, " place"]],
    seed: int,
    draws: int = DRAWS,
) -> Shares | NotMeasured:
    """Divide an output among the units of a shortlist.

    Args:
        predictions: the clean image that each member in service predicts.
        images: of the units, in the members' space.
        membership: whether a member saw a unit. A unit that no member saw, or all, has no share.
        decoys: bits of codes that no unit has: of all units, or each unit's own.
        neighbours: further units whose effects are subtracted; none of the shortlist's own units;
            None: no adjustment.
        look_alikes: places of units that show nearly the same picture, by group
            (:mod:`attribution.evidence.look_alikes`).
        seed: of the resamples; the same members get the same weights whatever the units are.
        draws: resamples of the members.
    """
    if not (np.isfinite(predictions).all() and np.isfinite(images).all()):
        return NotMeasured(NO_NUMBER)
    mean = predictions.mean(axis=0)
    deviation, directions = predictions - mean, images.astype(np.float64) - mean
    every = np.broadcast_to(decoys, (len(images), *decoys.shape[-2:]))[:, :DECOYS]
    inputs = Regression(
        membership.astype(np.float64),
        every.astype(np.float64),
        directions @ directions.T,
        _without_neighbours(deviation, directions, membership, mean, neighbours),
        deviation @ deviation.T,
    )
    alike = _alike(look_alikes, len(images))
    n = len(predictions)
    weights = np.random.default_rng(seed).dirichlet(np.ones(n), draws) * n
    value = _shares(inputs, np.ones(n), alike)
    drawn = np.array([_shares(inputs, row, alike) for row in weights]).reshape(draws, len(value))
    low, high = np.quantile(drawn, [LEVEL / 2, 1 - LEVEL / 2], axis=0)
    return Shares(value, np.minimum(low, value), np.maximum(high, value), drawn)


def _without_neighbours(
    deviation: Float64[np.ndarray, "member value"],
    directions: Float64[np.ndarray, "unit value"],
    membership: Bool[np.ndarray, "unit member"],
    mean: Float64[np.ndarray, " value"],
    neighbours: Neighbours | None,
) -> Float64[np.ndarray, "unit member"]:
    """Inner products of directions and deviations, without the neighbours' effects.

    The neighbours' effects, with a ridge, and those of the shortlist are fitted together.
    """
    pulled = np.asarray(directions @ deviation.T)
    if neighbours is None or not len(neighbours.units):
        return pulled
    others = neighbours.images - mean
    codes, own = centred(neighbours.membership), centred(membership)
    between = directions @ others.T
    gram = (codes @ codes.T) * (others @ others.T)
    ridge = RIDGE * np.trace(gram) / len(gram)
    if not ridge > 0.0:
        return pulled
    _, effects = fitted_together(
        (own @ own.T) * (directions @ directions.T),
        (own * pulled).sum(axis=1),
        (own @ codes.T) * between,
        gram + ridge * np.eye(len(gram)),
        (codes * (others @ deviation.T)).sum(axis=1),
    )
    return np.asarray(pulled - (effects * between) @ codes)


def fitted_together(
    inside: Float64[np.ndarray, "unit unit"],
    pulled: Float64[np.ndarray, " unit"],
    across: Float64[np.ndarray, "unit other"],
    others: Float64[np.ndarray, "other other"],
    pulled_others: Float64[np.ndarray, " other"],
) -> tuple[Float64[np.ndarray, " unit"], Float64[np.ndarray, " other"]]:
    """The effects of a shortlist, at least 0, and of other units, of any sign, in one regression.

    Args:
        inside: inner products of the shortlist's units, each a code times a direction.
        pulled: their inner products with the members' deviations.
        across: inner products of the shortlist's units and the others.
        others: of the others, with the ridge.
        pulled_others: their inner products with the deviations.
    """
    solved = np.linalg.solve(others, np.column_stack([across.T, pulled_others]))
    theta = nonnegative(inside - across @ solved[:, :-1], pulled - across @ solved[:, -1])
    return theta, np.asarray(solved[:, -1] - solved[:, :-1] @ theta)


def _shares(
    inputs: Regression, weights: Float64[np.ndarray, " member"], alike: Int64[np.ndarray, " unit"]
) -> Float64[np.ndarray, " unit_and_rest"]:
    """The shares if every member counts by its weight; weights sum to the number of members."""
    n = len(weights)
    seen = inputs.membership @ weights / n
    codes = inputs.membership - seen[:, None]
    gram = (codes * weights) @ codes.T * inputs.directions
    theta = nonnegative(gram, ((codes * weights) * inputs.adjusted).sum(axis=1))
    # Of the squared effect, not of the effect.
    kept = theta * np.sqrt(beyond_chance(inputs, weights, codes, theta))
    total = weights @ np.diag(inputs.deviations) - weights @ inputs.deviations @ weights / n
    parts = np.maximum(kept * (gram @ kept), 0.0)
    whole = max(float(total), float(parts.sum()))
    if not whole > 0.0:
        return np.append(np.zeros(len(parts)), 1.0)
    sizes = np.maximum(np.bincount(alike, minlength=len(parts)), 1)
    divided = (np.bincount(alike, parts / whole, len(parts)) / sizes)[alike]
    return np.append(divided, max(0.0, 1.0 - divided.sum()))


def beyond_chance(
    inputs: Regression,
    weights: Float64[np.ndarray, " member"],
    codes: Float64[np.ndarray, "unit member"],
    theta: Float64[np.ndarray, " unit"],
) -> Float64[np.ndarray, " unit"]:
    """1 - E / T^2 per unit, at least 0; a decoy that is pushed away counts 0, as it does for a
    unit.
    """
    left = inputs.adjusted - (theta * inputs.directions) @ codes
    lengths = theta * np.diag(inputs.directions)
    own = np.maximum((codes * weights * (left + lengths[:, None] * codes)).sum(axis=1), 0.0) ** 2
    # The decoys meet what no effect explains, the unit's own included.
    weighted = left * weights
    centre = weighted.sum(axis=1) / len(weights)
    decoys = np.einsum("udm,um->ud", inputs.decoys, weighted) - (inputs.decoys @ weights) * centre[:, None]
    chance = (np.maximum(decoys, 0.0) ** 2).mean(axis=1)
    return np.asarray(np.where(own > chance, 1.0 - chance / np.where(own > 0, own, 1.0), 0.0))


def nonnegative(
    gram: Float64[np.ndarray, "unit unit"], against: Float64[np.ndarray, " unit"]
) -> Float64[np.ndarray, " unit"]:
    """Minimise theta' gram theta - 2 theta' against over theta >= 0."""
    scale = np.trace(gram) / max(1, len(gram))
    if not scale > 0.0:
        return np.zeros(len(against))
    # A sliver of ridge: codes may repeat, and the factor of Cholesky must exist.
    lower = np.linalg.cholesky(gram / scale + 1e-9 * np.eye(len(gram)))
    return np.asarray(nnls(lower.T, np.linalg.solve(lower, against / scale))[0])


def _alike(look_alikes: Sequence[Int64[np.ndarray, " place"]], units: int) -> Int64[np.ndarray, " unit"]:
    """Per unit, the place of the first unit of its group."""
    found = np.arange(units)
    for group in look_alikes:
        found[group] = group.min()
    return found
