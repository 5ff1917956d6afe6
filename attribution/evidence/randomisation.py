"""Layer 2: is the effect real? An exact randomisation test of each shortlisted unit, from the
codes.

Codes are dealt at random, so an encoded ensemble is a randomised experiment on every unit at once.
If a unit made no difference to any member, its code is exchangeable with the decoys, the codes of
the same encoding that no unit has; the rank of its statistic among theirs is then an exact p-value,
whatever the model (Fisher's randomisation test):

    p = (1 + #{decoys with T >= T_unit}) / (1 + #decoys)

The statistic asks a directed question: do the members that saw the unit pull the output towards the
unit's works?

    T = < mean of P_i over members that saw it - mean over those that did not, a - mean_i P_i >

where P_i is the clean image that member i predicts, a weighted mean over steps, and a is the unit's
image, or the weighted mean of its works' images. What the codes of *other* units explain of the
pulls is taken off first (:mod:`attribution.evidence.adjustment`). The shortlist is chosen without
the codes, so Benjamini and Hochberg's procedure (1995) over the shortlist alone controls the false
discovery rate.

The weights of the steps are constants. They were chosen on an ensemble of the benchmarks
(``benchmarks/evidence_variance.py``), not on the one that is audited: weights chosen by this
ensemble's codes would know some of the codes that are tested.

Where works were withdrawn, only some members serve. Which those are follows from the codes of the
withdrawn units, and given these the codes of all other units and of the decoys are as exchangeable
as before. So the test is the same over the members that serve, with every code cut down to their
bits, and it stays exact. A code whose bits there are all alike has no contrast. Whether a code has
one is a property of that code alone; so units without it are not tested, decoys without it are not
drawn, and what remains is exchangeable given that it has contrast. Units of which a part was
withdrawn helped to decide who serves: they are tested only when all members serve again, whose
training then depends on nothing but what each one saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64, UInt64

from attribution.evidence.adjustment import Neighbours, Pulls, pulls_towards
from attribution.evidence.effect_interval import Effects, effects_of
from attribution.metrics.statistics import benjamini_hochberg
from attribution.sampling.predictions import MemberPredictions
from registry.encodings.codes import bits
from registry.errors import UsageError

STEP_WEIGHTS = (0.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
"""Of a step in each of the bands of :mod:`attribution.sampling.predictions`: what members predict
from mere noise says little."""
STEPS_FROM = 0.3
"""The sqrt(alpha_bar) above which steps have a weight."""


@dataclass(frozen=True)
class Evidence:
    """The test of one shortlist, in its order."""

    statistic: Float64[np.ndarray, " unit"]
    decoy_statistic: Float64[np.ndarray, "unit decoy"]
    """Every unit's own null distribution: its images, the decoys' codes."""
    p_value: Float64[np.ndarray, " unit"]
    q_value: Float64[np.ndarray, " unit"]
    effects: Effects


def contrast_weights(membership: Bool[np.ndarray, "code member"]) -> Float64[np.ndarray, "code member"]:
    """W = b/h - (1 - b)/(n - h): mean over the members that saw the unit minus mean over the
    others.
    """
    seen = membership.astype(np.float64)
    h = seen.sum(axis=1, keepdims=True)
    return np.asarray(seen / h - (1.0 - seen) / (membership.shape[1] - h), dtype=np.float64)


def has_contrast(membership: Bool[np.ndarray, "code member"]) -> Bool[np.ndarray, " code"]:
    """Whether some of the members saw the unit and some did not."""
    return np.asarray(membership.any(axis=1) & ~membership.all(axis=1))


def mean_predictions(predictions: MemberPredictions) -> Float64[np.ndarray, "member value"]:
    """P: the clean image that each member predicts, a weighted mean over the steps.

    Raises:
        UsageError: no step lies where steps have a weight.
    """
    weights = np.array(STEP_WEIGHTS)
    total = float(weights @ predictions.band_steps)
    if not total:
        raise UsageError(f"none of the steps has sqrt(alpha_bar) above {STEPS_FROM}: use more steps")
    summed = np.einsum("b,bmv->mv", weights, predictions.clean_sum.astype(np.float64))
    return np.asarray(summed / total, dtype=np.float64)


def steps_used(predictions: MemberPredictions) -> int:
    """How many steps have a weight in the statistic."""
    return int(predictions.band_steps[np.array(STEP_WEIGHTS) > 0].sum())


def assess_shortlist(
    predictions: MemberPredictions,
    images: Float[np.ndarray, "unit value"],
    codes: UInt64[np.ndarray, " unit"],
    decoys: UInt64[np.ndarray, " decoy"],
    n: int,
    serving: Sequence[int] | None = None,
    around: Neighbours | None = None,
    units: Int64[np.ndarray, " unit"] | None = None,
) -> Evidence:
    """Test each unit of a shortlist that was chosen without the codes.

    Args:
        predictions: the audited image's member predictions.
        images: per unit, the (weighted mean) image of its works in [-1, 1], flattened channel by
            channel.
        codes: the units' codes.
        decoys: codes that belong to no unit: all of them, or a random draw.
        n: number of members of the encoding.
        serving: the members that the predictions are of, by index; None: all.
        around: units whose part is taken off; None: nothing is.
        units: the numbers of the tested units, which are needed with ``around``.

    Raises:
        UsageError: a code has no contrast among these members; neighbours without the tested units'
            numbers.
    """
    members = list(range(n) if serving is None else serving)
    membership, decoy_membership = bits(codes, n)[:, members], bits(decoys, n)[:, members]
    if around is not None and units is None:
        raise UsageError("a tested unit must not be its own neighbour: say which units are tested")
    left_out = [] if units is None else [units[place : place + 1] for place in range(len(units))]
    found = pulls_towards(mean_predictions(predictions), images, membership, around, left_out)
    return assess_pulls(found, membership, decoy_membership)


def assess_pulls(
    pulls: Pulls, membership: Bool[np.ndarray, "unit member"], decoy_membership: Bool[np.ndarray, "decoy member"]
) -> Evidence:
    """The same from the members' pulls towards each unit.

    Raises:
        UsageError: a code has no contrast among these members.
    """
    if not (has_contrast(membership).all() and has_contrast(decoy_membership).all()):
        raise UsageError("a code that all of the members share, or none of them has, cannot be tested")
    own, others = contrast_weights(membership), contrast_weights(decoy_membership)
    statistic = np.einsum("un,un->u", pulls.pull, own)
    decoy_statistic = pulls.pull @ others.T
    p_value = exact_p_values(statistic, decoy_statistic)
    effects = effects_of(
        statistic, decoy_statistic, np.einsum("un,un->u", pulls.response, own), pulls.response @ others.T
    )
    return Evidence(statistic, decoy_statistic, p_value, benjamini_hochberg(p_value), effects)


def exact_p_values(
    statistic: Float64[np.ndarray, " unit"], decoy_statistic: Float64[np.ndarray, "unit decoy"]
) -> Float64[np.ndarray, " unit"]:
    """(1 + #{decoys >= unit}) / (1 + #decoys); ties count against the unit, up to rounding."""
    tolerance = 1e-9 * np.abs(decoy_statistic).max(axis=1, initial=0.0)
    # Counted this way round, a statistic that is no number is no evidence.
    smaller = (decoy_statistic < (statistic - tolerance)[:, None]).sum(axis=1)
    as_large = decoy_statistic.shape[1] - smaller
    return np.asarray((1.0 + as_large) / (1.0 + decoy_statistic.shape[1]), dtype=np.float64)
