"""Layer 2: is the effect real? An exact randomisation test of each shortlisted unit, from the codes.

Codes are dealt at random, so an encoded ensemble is a randomised experiment on every unit at once. If a unit made no
difference to any member, its code is exchangeable with the decoys, the codes of the same encoding that no unit has; the
rank of its statistic among theirs is then an exact p-value, whatever the model (Fisher's randomisation test):

    p = (1 + #{decoys with T >= T_unit}) / (1 + #decoys)

The statistic asks a directed question: do the members that saw the unit pull the output towards the unit's works?

    T = sum over the middle steps of < mean of x0_i over members that saw it - mean over those that did not, a - mean_i x0_i >

where a is the unit's image, or the weighted mean of its works' images. The shortlist is chosen without the codes, so
Benjamini and Hochberg's procedure (1995) over the shortlist alone controls the false discovery rate.

Where works were withdrawn, only some members serve. Which those are follows from the codes of the withdrawn units, and given
these the codes of all other units and of the decoys are as exchangeable as before. So the test is the same over the members
that serve, with every code cut down to their bits, and it stays exact. A code whose bits there are all alike has no contrast.
Whether a code has one is a property of that code alone; so units without it are not tested, decoys without it are not
drawn, and what remains is exchangeable given that it has contrast. Units of which a part was withdrawn helped to decide who
serves: they are tested only when all members serve again, whose training then depends on nothing but what each one saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, UInt64

from attribution.contrasts import Contrasts, bands_between
from attribution.effects import Effects, effects_of
from registry.codes import bits
from registry.errors import UsageError

MIDDLE = (0.1, 0.95)
"""The steps summed over, as sqrt(alpha_bar): band edges of :mod:`attribution.contrasts`."""


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
    """W = b/h - (1 - b)/(n - h): mean over the members that saw the unit minus mean over the others."""
    seen = membership.astype(np.float64)
    h = seen.sum(axis=1, keepdims=True)
    return np.asarray(seen / h - (1.0 - seen) / (membership.shape[1] - h), dtype=np.float64)


def has_contrast(membership: Bool[np.ndarray, "code member"]) -> Bool[np.ndarray, " code"]:
    """Whether some of the members saw the unit and some did not."""
    return np.asarray(membership.any(axis=1) & ~membership.all(axis=1))


def pulls(contrasts: Contrasts, images: Float[np.ndarray, "unit value"]) -> Float64[np.ndarray, "unit member"]:
    """sum_t < x0_i(x_t), a - m_t > for every unit's image a (in [-1, 1]) and member i, over the middle steps."""
    bands = bands_between(*MIDDLE)
    clean = contrasts.clean_sum[bands].astype(np.float64).sum(axis=0)
    own = contrasts.self_product[bands].sum(axis=0)
    return np.asarray(images.astype(np.float64) @ clean.T - own, dtype=np.float64)


def way_lengths(contrasts: Contrasts, images: Float[np.ndarray, "unit value"]) -> Float64[np.ndarray, " unit"]:
    """sum_t ||a - m_t||^2 for every unit's image: how far it lies from the mean prediction, over the middle steps."""
    bands = bands_between(*MIDDLE)
    mean = contrasts.clean_sum[bands].astype(np.float64).sum(axis=0).mean(axis=0)
    own = contrasts.self_product[bands].sum(axis=0).mean()
    wide = images.astype(np.float64)
    lengths = steps_used(contrasts) * (wide**2).sum(axis=1) - 2.0 * wide @ mean + own
    return np.asarray(np.maximum(lengths, 0.0), dtype=np.float64)


def steps_used(contrasts: Contrasts) -> int:
    """How many steps the statistic sums over."""
    return int(contrasts.band_steps[bands_between(*MIDDLE)].sum())


def assess_shortlist(
    contrasts: Contrasts,
    images: Float[np.ndarray, "unit value"],
    codes: UInt64[np.ndarray, " unit"],
    decoys: UInt64[np.ndarray, " decoy"],
    n: int,
    serving: Sequence[int] | None = None,
) -> Evidence:
    """Test each unit of a shortlist that was chosen without the codes.

    Args:
        contrasts: the audited image's member contrasts.
        images: per unit, the (weighted mean) image of its works in [-1, 1], flattened channel by channel.
        codes: the units' codes.
        decoys: codes that belong to no unit: all of them, or a random draw.
        n: number of members of the encoding.
        serving: the members that the contrasts are of, by index; None: all.

    Raises:
        UsageError: a code has no contrast among these members.
    """
    members = list(range(n) if serving is None else serving)
    membership, decoy_membership = bits(codes, n)[:, members], bits(decoys, n)[:, members]
    return assess_pulls(pulls(contrasts, images), way_lengths(contrasts, images), membership, decoy_membership)


def assess_pulls(
    by_member: Float64[np.ndarray, "unit member"],
    way: Float64[np.ndarray, " unit"],
    membership: Bool[np.ndarray, "unit member"],
    decoy_membership: Bool[np.ndarray, "decoy member"],
) -> Evidence:
    """The same from the members' pulls towards each unit and the squared lengths of the ways that they are pulls along.

    Raises:
        UsageError: a code has no contrast among these members.
    """
    if not (has_contrast(membership).all() and has_contrast(decoy_membership).all()):
        raise UsageError("a code that all of the members share, or none of them has, cannot be tested")
    own, others = contrast_weights(membership), contrast_weights(decoy_membership)
    statistic = np.einsum("un,un->u", by_member, own)
    decoy_statistic = by_member @ others.T
    p_value = exact_p_values(statistic, decoy_statistic)
    seen = membership * way[:, None]
    effects = effects_of(statistic, decoy_statistic, np.einsum("un,un->u", seen, own), seen @ others.T)
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


def benjamini_hochberg(p_value: Float64[np.ndarray, " unit"]) -> Float64[np.ndarray, " unit"]:
    """q-values: the smallest false discovery rate at which each p-value would be called a discovery."""
    count = len(p_value)
    order = np.argsort(p_value, kind="stable")
    scaled = p_value[order] * count / np.arange(1, count + 1)
    q_value = np.empty(count)
    q_value[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return q_value
