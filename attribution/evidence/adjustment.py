"""Regression adjustment: subtract the effects of other units, estimated from their codes.

Members differ because of all works that they saw, and most of the difference is unrelated to the
tested unit. The codes of the other units say which member saw which unit, so their effects can be
estimated. Let Y_i be member i's prediction minus the mean of all members, z_k = a_k - m the
direction from that mean to the picture of unit k, and c_k the unit's centred bits. Ridge regression
on the neighbours (the first units of the ranking, without the tested unit) fits

    Y_i ~ sum_k theta_k c_ki z_k,
    minimising || Y - sum_k theta_k c_k x z_k ||^2 + lambda ||theta||^2

and a member's alignment with the tested unit is < residual of Y_i, z >. The neighbours include all
other units of the shortlist, so the test is of the unit's part in one joint regression: what a
look-alike of the true source shares with it is taken off before the look-alike is tested. If each
member i moved the share e_i of the way to the unit's picture, its alignment would grow by (B e)_i;
the matrix B follows from the pictures and from the codes of the neighbours alone.

The test stays exact. Under the sharp null "the unit made no difference to any member", its own code
is, given the members and *given the codes of all other units*, uniform over its own code and the
codes that no unit has, the decoys. The residuals are a function of the members and those codes
alone. A weight, a ridge or a list of neighbours that depended on the unit's own code would break
this: so the neighbours come from a ranking that does not use codes, and the constants are fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64
from scipy.linalg import cholesky, solve_triangular

from attribution.ranking.encoded_works import EncodedWorks
from attribution.ranking.shortlist import closest_works

MOST = 150
"""Neighbours, at most. More add little, and the cost grows with the cube."""
MOST_OF_MANY_WORKS = 30
"""Neighbours, at most, if units have many works: every work must be read."""
RIDGE = 0.1
"""Lambda by the regression's mean diagonal; fixed, see ``benchmarks/evidence/choices.py``."""


@dataclass(frozen=True)
class Neighbours:
    """Units whose effects are subtracted."""

    units: Int64[np.ndarray, " unit"]
    images: Float64[np.ndarray, "unit value"]
    """Pictures of the units in the members' space, as in the test."""
    membership: Bool[np.ndarray, "unit member"]
    """Whether a member saw the unit."""

    def without(self, units: Int64[np.ndarray, " other"]) -> Neighbours:
        """The neighbours except some units."""
        kept = ~np.isin(self.units, units)
        return Neighbours(self.units[kept], self.images[kept], self.membership[kept])


@dataclass(frozen=True)
class MemberAlignment:
    """Alignment of each member's prediction with each unit, relative to the members' mean."""

    alignment: Float64[np.ndarray, "unit member"]
    growth: Float64[np.ndarray, "unit member member"]
    """Symmetric, not negative: if each member i moves the share e_i of the way to the unit's
    picture, with the mean fixed, the alignment grows by this matrix times e."""


def neighbours_of(
    encoded: EncodedWorks, image: Float[np.ndarray, " value"], order: Int64[np.ndarray, " place"]
) -> Neighbours:
    """The first units of an order that does not depend on the codes.

    ``image``, the audited one in [0, 1], weights the works of units with many works. ``order`` has
    the best unit first.
    """
    units = order[: MOST if encoded.index.single else MOST_OF_MANY_WORKS]
    if encoded.index.single:
        rows = np.array([encoded.index.rows_of(int(unit))[0] for unit in units], dtype=np.int64)
        images = encoded.targets(rows)
    else:
        _, images = closest_works(encoded, np.asarray(image, dtype=np.float32), units, 1)
    return Neighbours(units, images, encoded.membership[units])


def member_alignment(
    predictions: Float64[np.ndarray, "member value"],
    images: Float[np.ndarray, "unit value"],
    neighbours: Neighbours | None,
    left_out: Sequence[Int64[np.ndarray, " other"]],
) -> MemberAlignment:
    """Each member's alignment with each unit, without the effects of the unit's neighbours.

    Args:
        predictions: the clean image that each member predicts.
        images: of the tested units, in the members' space.
        neighbours: units whose effects are subtracted; None: no adjustment.
        left_out: per tested unit, the units that must not be its neighbours: itself, and the units
            tested together with it.
    """
    alignment, parts = _adjusted(predictions, images, neighbours, left_out)
    mean = predictions.mean(axis=0)
    lengths = ((images.astype(np.float64) - mean) ** 2).sum(axis=1)
    growth = lengths[:, None, None] * np.eye(len(predictions))
    for tested, halves in parts:
        growth[tested] -= np.moveaxis(halves, 1, 2) @ halves
    return MemberAlignment(alignment, growth)


def alignment_alone(
    predictions: Float64[np.ndarray, "member value"],
    images: Float[np.ndarray, "unit value"],
    neighbours: Neighbours | None,
    left_out: Sequence[Int64[np.ndarray, " other"]],
) -> Float64[np.ndarray, "unit member"]:
    """The alignment of :func:`member_alignment`, at less cost."""
    return _adjusted(predictions, images, neighbours, left_out)[0]


def centred(membership: Bool[np.ndarray, "unit member"]) -> Float64[np.ndarray, "unit member"]:
    """The bits of each unit minus their mean over the members."""
    return np.asarray(membership - membership.mean(axis=1, keepdims=True))


Fit = tuple[list[int], Float64[np.ndarray, "unit neighbour member"]]
"""One regression: the units tested by it, and L^-1 W of each. L is the lower Cholesky factor of the
matrix of the normal equations, and W the neighbours' centred bits times the products of the unit's
direction with theirs: what the neighbours explain of e is W' (L L')^-1 e."""


def _adjusted(
    predictions: Float64[np.ndarray, "member value"],
    images: Float[np.ndarray, "unit value"],
    neighbours: Neighbours | None,
    left_out: Sequence[Int64[np.ndarray, " other"]],
) -> tuple[Float64[np.ndarray, "unit member"], list[Fit]]:
    mean = predictions.mean(axis=0)
    deviation, directions = predictions - mean, images.astype(np.float64) - mean
    alignment = directions @ deviation.T
    if neighbours is None:
        return alignment, []
    others = neighbours.images - mean
    codes = centred(neighbours.membership)
    gram = (codes @ codes.T) * (others @ others.T)
    explained = (codes * (others @ deviation.T)).sum(axis=1)
    between = directions @ others.T
    together: dict[tuple[int, ...], list[int]] = {}
    for unit, excluded in enumerate(left_out):
        together.setdefault(tuple(excluded.tolist()), []).append(unit)
    fits: list[Fit] = []
    for excluded_units, tested in together.items():
        # Neighbours that are left out stay as rows of zeros: faster than a smaller matrix.
        hidden = np.isin(neighbours.units, excluded_units)
        matrix, pull = gram.copy(), explained.copy()
        matrix[hidden], matrix[:, hidden], pull[hidden] = 0.0, 0.0, 0.0
        ridge = RIDGE * np.trace(matrix) / max(1, len(hidden) - hidden.sum())
        if not 0.0 < ridge < np.inf:
            continue
        matrix.flat[:: len(matrix) + 1] += ridge
        lower = cholesky(matrix, lower=True, overwrite_a=True, check_finite=False)
        to_others = np.where(hidden, 0.0, between[tested])
        weighted = np.moveaxis(to_others[:, :, None] * codes, 0, 1).reshape(len(hidden), -1)
        solved = solve_triangular(lower, np.column_stack([pull, weighted]), lower=True, check_finite=False)
        halves = np.moveaxis(solved[:, 1:].reshape(len(hidden), len(tested), -1), 1, 0)
        alignment[tested] -= solved[:, 0] @ halves
        fits.append((tested, halves))
    return alignment, fits
