"""Layer 2: is the effect real? An exact randomisation test of each shortlisted unit, from codes.

Codes are drawn at random, so an encoded ensemble is a randomised experiment on every unit at once.
If a unit made no difference to any member, its code is exchangeable with the decoys, the codes of
the same encoding that no unit has. The rank of its statistic among the decoys' is then an exact
p-value, whatever the model (Fisher's randomisation test):

    p = (1 + #{decoys with T >= T_unit}) / (1 + #decoys)

The statistic is directed: do the members that saw the unit pull the output towards the unit's
works?

    T = sum_i c_i A_i / sqrt(c' B c)

A_i is the alignment < P_i - mean_j P_j, a - mean_j P_j > without the effects of *other* units
(:mod:`attribution.evidence.adjustment`), c the code's bits minus their mean, and B the growth of
the alignments by an effect. P_i is the clean image that member i predicts, a weighted mean over
steps; a is the unit's picture, or the weighted mean of its works' pictures. All of these are in the
space in which members predict: pixels, or the latents of a latent kind. The divisor is how far T
would stray if every value of a prediction had noise of variance 1: codes that the neighbours'
effects hide partly count with what is left of them.

Where codes nest in supports of groups, a unit's decoys are the free words of its own support; given
the codes of all other units, its code is uniform over itself and these
(:mod:`registry.encodings.assignment`).

The shortlist is chosen without the codes, so Benjamini and Hochberg's procedure runs over the
shortlist alone. It is proved to control the false discovery rate for p-values that are independent
or positively dependent. P-values of a shortlist share members and decoys, so here control is not
proved; it is checked by redrawing codes (:mod:`attribution.evaluation.calibration`). Control is per
shortlist: it bounds neither the share of false findings over many images nor the share among the
findings of one rightsholder.

The weights of the steps are constants, chosen on an ensemble of the benchmarks
(``benchmarks/evidence/choices.py``). Weights chosen on the audited ensemble would depend on codes
that are tested.

After withdrawals only some members serve. Which members serve depends on the codes of the withdrawn
units; given these, all other codes and the decoys are as exchangeable as before. So the test is the
same over the members in service, with each code restricted to their bits, and it stays exact. A
code has no contrast if its restricted bits are all equal. Contrast is a property of each code
alone, so units and decoys without contrast are left out, and the rest is exchangeable given that it
has contrast. Units with withdrawn works helped to decide which members serve. They are tested only
when all members serve again: each member's training then depends on nothing but the works it saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64, UInt64

from attribution.evidence.adjustment import MemberAlignment, Neighbours, member_alignment
from attribution.evidence.effect_interval import Effects, effects_of
from attribution.metrics.statistics import benjamini_hochberg
from attribution.sampling.predictions import STEP_WEIGHTS, MemberPredictions
from registry.basis.p_values import exact_p_values
from registry.encodings.words import bits
from registry.errors import UsageError

STEPS_FROM = 0.3
"""sqrt(alpha_bar) above which steps have a weight."""
NO_GROWTH = 1e-12
"""A code whose squared length is up to this share of the largest possible has no pull."""


@dataclass(frozen=True)
class Evidence:
    """The test of one shortlist, in shortlist order."""

    statistic: Float64[np.ndarray, " unit"]
    decoy_statistic: Float64[np.ndarray, "unit decoy"]
    """Each unit's null distribution: the statistic of its picture with the decoys' codes."""
    p_value: Float64[np.ndarray, " unit"]
    q_value: Float64[np.ndarray, " unit"]
    effects: Effects
    alignment: Float64[np.ndarray, "unit member"]
    """The members' alignment with each unit, independent of the unit's own code."""


@dataclass(frozen=True)
class Together:
    """Units of a shortlist that are tested as one; all of them get the result."""

    places: Int64[np.ndarray, " unit"]
    """Their places in the shortlist."""
    draws: Bool[np.ndarray, "draw unit member"]
    """Their codes dealt anew together, as many as each unit has decoys."""


def contrast_weights(membership: Bool[np.ndarray, "*code member"]) -> Float64[np.ndarray, "*code member"]:
    """W = b/h - (1 - b)/(n - h): W x = mean of x where b is 1, minus mean where b is 0.

    The weights of a code without contrast are NaN.
    """
    n = membership.shape[-1]
    h = membership.sum(axis=-1, keepdims=True, dtype=np.float64)
    h[(h == 0) | (h == n)] = np.nan
    return np.asarray(np.where(membership, 1.0 / h, -1.0 / (n - h)))


def has_contrast(membership: Bool[np.ndarray, "*code member"]) -> Bool[np.ndarray, "*code"]:
    """Whether some members saw the unit and some did not."""
    return np.asarray(membership.any(axis=-1) & ~membership.all(axis=-1))


def mean_predictions(predictions: MemberPredictions) -> Float64[np.ndarray, "member value"]:
    """P: the clean image that each member predicts, a weighted mean over the steps.

    Raises:
        UsageError: no step has a weight.
    """
    weights = np.array(STEP_WEIGHTS)
    total = float(weights @ predictions.band_steps)
    if not total:
        raise UsageError(f"none of the steps has sqrt(alpha_bar) above {STEPS_FROM}: use more steps")
    summed = np.einsum("b,bmv->mv", weights, predictions.clean_sum.astype(np.float64))
    return np.asarray(summed / total, dtype=np.float64)


def steps_used(predictions: MemberPredictions) -> int:
    """Number of steps with a weight in the statistic."""
    return round(float(predictions.band_steps[np.array(STEP_WEIGHTS) > 0].sum()))


def assess_shortlist(
    predictions: MemberPredictions,
    images: Float[np.ndarray, "unit value"],
    codes: UInt64[np.ndarray, " unit"],
    decoys: UInt64[np.ndarray, " decoy"] | UInt64[np.ndarray, "unit decoy"],
    n: int,
    serving: Sequence[int] | None = None,
    neighbours: Neighbours | None = None,
    units: Int64[np.ndarray, " unit"] | None = None,
    together: Sequence[Together] = (),
) -> Evidence:
    """Test each unit of a shortlist that was chosen without the codes.

    Args:
        predictions: the members' predictions for the audited image.
        images: per unit, its picture or the weighted mean of its works' pictures, in the space of
            the predictions, flattened channel by channel.
        codes: the units' codes.
        decoys: codes that no unit has: all of them, or a random draw. Where codes nest, each unit
            has its own (:meth:`registry.encodings.assignment.Assignment.decoys`).
        n: number of members of the encoding.
        serving: indices of the members of ``predictions``; None: all.
        neighbours: units whose effects are subtracted; None: no adjustment.
        units: numbers of the tested units; required with ``neighbours``.
        together: units that are tested as one.

    Raises:
        UsageError: a code has no contrast among these members, or ``units`` is missing.
    """
    members = list(range(n) if serving is None else serving)
    membership = bits(codes, n)[:, members]
    decoy_membership = bits(decoys.ravel(), n)[:, members].reshape(*decoys.shape, len(members))
    if neighbours is not None and units is None:
        raise UsageError("neighbours without the numbers of the tested units: a unit must not be its own neighbour")
    numbers = np.arange(len(images)) if units is None else units
    return assess_units(
        mean_predictions(predictions), images, membership, decoy_membership, neighbours, numbers, together
    )


def assess_units(
    predictions: Float64[np.ndarray, "member value"],
    images: Float[np.ndarray, "unit value"],
    membership: Bool[np.ndarray, "unit member"],
    decoy_membership: Bool[np.ndarray, "decoy member"] | Bool[np.ndarray, "unit decoy member"],
    neighbours: Neighbours | None,
    units: Int64[np.ndarray, " unit"],
    together: Sequence[Together] = (),
) -> Evidence:
    """Test units from the members' mean predictions; arguments as in :func:`assess_shortlist`.

    Raises:
        UsageError: a code has no contrast among these members.
    """
    left_out = [units[place : place + 1] for place in range(len(units))]
    aligned = member_alignment(predictions, images, neighbours, left_out)
    pulls = pulls_of(aligned, membership, decoy_membership)
    for group in together:
        picture = images[group.places].mean(axis=0, keepdims=True)
        joint = member_alignment(predictions, picture, neighbours, [units[group.places]])
        codes = np.concatenate([membership[group.places].mean(axis=0)[None], group.draws.mean(axis=1)])
        pulls.replace(group.places, _pull(joint.alignment[0], joint.growth[0], centred_shares(codes)))
    return evidence_of(pulls, aligned.alignment)


def assess_alignment(
    aligned: MemberAlignment,
    membership: Bool[np.ndarray, "unit member"],
    decoy_membership: Bool[np.ndarray, "decoy member"] | Bool[np.ndarray, "unit decoy member"],
) -> Evidence:
    """Test units from the members' alignment with them.

    Raises:
        UsageError: a code has no contrast among these members.
    """
    return evidence_of(pulls_of(aligned, membership, decoy_membership), aligned.alignment)


@dataclass(frozen=True)
class Pulls:
    """Statistics, and their growth by the size of the tested unit's effect."""

    own: Float64[np.ndarray, " unit"]
    own_growth: Float64[np.ndarray, " unit"]
    decoys: Float64[np.ndarray, "unit decoy"]
    decoy_growth: Float64[np.ndarray, "unit decoy"]

    def replace(self, places: Int64[np.ndarray, " unit"], pull: _Pull) -> None:
        """Give several units one result."""
        for mine, theirs in zip((self.own, self.own_growth, self.decoys, self.decoy_growth), pull, strict=True):
            mine[places] = theirs


def pulls_of(
    aligned: MemberAlignment,
    membership: Bool[np.ndarray, "unit member"],
    decoy_membership: Bool[np.ndarray, "decoy member"] | Bool[np.ndarray, "unit decoy member"],
) -> Pulls:
    """The statistic of each unit under its own code and under its decoys.

    Raises:
        UsageError: a code has no contrast among these members.
    """
    if not (has_contrast(membership).all() and has_contrast(decoy_membership).all()):
        raise UsageError("a unit that all members saw, or none, cannot be tested")
    count, decoys = len(membership), decoy_membership.shape[-2]
    found = Pulls(np.empty(count), np.empty(count), np.empty((count, decoys)), np.empty((count, decoys)))
    own = centred_shares(membership)
    shared = centred_shares(np.concatenate([membership[:1], decoy_membership])) if decoy_membership.ndim == 2 else None
    for unit in range(count):
        if shared is None:
            shares = np.concatenate([own[unit : unit + 1], centred_shares(decoy_membership[unit])])
        else:
            shares = shared
            shares[0] = own[unit]
        found.replace(np.array([unit]), _pull(aligned.alignment[unit], aligned.growth[unit], shares))
    return found


def centred_shares(
    codes: Bool[np.ndarray, "code member"] | Float64[np.ndarray, "code member"],
) -> Float64[np.ndarray, "code member"]:
    """The share of a unit, or of a group of units, that each member saw, minus its mean."""
    shares = codes.astype(np.float64)
    shares -= shares.mean(axis=1, keepdims=True)
    return shares


def evidence_of(pulls: Pulls, alignment: Float64[np.ndarray, "unit member"]) -> Evidence:
    """The p-values, q-values and effects of statistics."""
    p_value = exact_p_values(pulls.own, pulls.decoys)
    effects = effects_of(pulls.own, pulls.decoys, pulls.own_growth, pulls.decoy_growth)
    return Evidence(pulls.own, pulls.decoys, p_value, benjamini_hochberg(p_value), effects, alignment)


_Pull = tuple[float, float, Float64[np.ndarray, " code"], Float64[np.ndarray, " code"]]


def _pull(
    alignment: Float64[np.ndarray, " member"],
    growth: Float64[np.ndarray, "member member"],
    shares: Float64[np.ndarray, "code member"],
) -> _Pull:
    """T under the own code and other codes, and the growth of each by the size of the effect.

    ``shares``: :func:`centred_shares` of the own code, and then of the others.
    """
    moved = shares @ growth
    squared = np.einsum("cm,cm->c", moved, shares)
    # A code that moves nothing, up to rounding, has no pull. What is no number stays none.
    still = squared <= NO_GROWTH * np.trace(growth) * np.einsum("cm,cm->c", shares, shares)
    length = np.sqrt(np.where(still, 1.0, squared))
    statistic, grown = shares @ alignment / length, moved @ shares[0] / length
    statistic[still & np.isfinite(statistic)], grown[still] = 0.0, 0.0
    return float(statistic[0]), float(grown[0]), statistic[1:], grown[1:]
