"""What the other works did: their share of the members' differences, taken off before a unit is
tested.

Members differ because of all the works that they saw, and most of what differs has nothing to do
with the unit in question. The codes of the other units say which member saw which, so their part
can be estimated and taken off. Let Y_i be what member i predicts beyond the mean of all members,
z_k = a_k - m the way from that mean to the picture of unit k, and c_k its centred bits. For the
units around the tested one (the first of the ranking, without the tested one itself) ridge
regression fits

    Y_i ~ sum_k theta_k c_ki z_k,        minimising || Y - sum_k theta_k c_k x z_k ||^2 + lambda ||theta||^2

and the pull of a member towards the tested unit is what is left of < Y_i, z >.

This costs the test nothing in exactness. Under the sharp null "the unit made no difference to any
member", its own code is, given the members and *given the codes of all other units*, uniform over
the codes that no other unit has, which are the decoys and its own. The residual pulls are a
function of just what is given. A weight, a ridge or a list of neighbours that depended on the
unit's own code would break this; none does: the neighbours come from a ranking that has not seen
codes, and the constants are fixed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from attribution.ranking.shortlist import Corpus, closest_works

MOST = 150
"""Units around the tested ones, at most. More add little, and the cost grows with the cube."""
MOST_OF_MANY_WORKS = 30
"""The same where units have many works, of which each must be looked at."""
RIDGE = 0.3
"""Lambda as a share of the mean diagonal of the regression's matrix. Fixed, see
``benchmarks/evidence_variance.py``."""


@dataclass(frozen=True)
class Neighbours:
    """Units whose part is taken off, with their pictures and who saw them."""

    units: Int64[np.ndarray, " unit"]
    images: Float64[np.ndarray, "unit value"]
    """In [-1, 1], as in the test."""
    membership: Bool[np.ndarray, "unit member"]

    def without(self, units: Int64[np.ndarray, " other"]) -> Neighbours:
        """The same but for some units."""
        kept = ~np.isin(self.units, units)
        return Neighbours(self.units[kept], self.images[kept], self.membership[kept])


@dataclass(frozen=True)
class Pulls:
    """How far each member's prediction leans towards each unit, beyond the mean of all members."""

    pull: Float64[np.ndarray, "unit member"]
    response: Float64[np.ndarray, "unit member"]
    """By how much the pulls grow if the members that saw the unit go all the way to its picture,
    about the same mean."""


def neighbours_of(corpus: Corpus, image: Float[np.ndarray, " value"], order: Int64[np.ndarray, " place"]) -> Neighbours:
    """The first units of an order that has not seen the codes.

    Args:
        corpus: the works and units.
        image: the audited image in [0, 1]; it weights the works of a unit of many.
        order: units, best first.
    """
    units = order[: MOST if corpus.index.single else MOST_OF_MANY_WORKS]
    if corpus.index.single:
        rows = np.array([corpus.index.rows_of(int(unit))[0] for unit in units], dtype=np.int64)
        images = 2.0 * corpus.pictures(rows).astype(np.float64) - 1.0
    else:
        _, images = closest_works(corpus, np.asarray(image, dtype=np.float32), units, 1)
    return Neighbours(units, images, corpus.membership[units])


def pulls_towards(
    predictions: Float64[np.ndarray, "member value"],
    images: Float[np.ndarray, "unit value"],
    membership: Bool[np.ndarray, "unit member"],
    around: Neighbours | None,
    left_out: list[Int64[np.ndarray, " other"]],
) -> Pulls:
    """The members' pulls towards each unit, without what its neighbours explain.

    Args:
        predictions: the clean image that each member predicts.
        images: of the tested units, in [-1, 1].
        membership: which member saw which of them; it enters the response alone, never the pulls.
        around: the neighbours; None: nothing is taken off.
        left_out: per tested unit, the units that must not count as its neighbours: itself, and
            whatever is tested with it.
    """
    mean = predictions.mean(axis=0)
    leaning, ways = predictions - mean, images.astype(np.float64) - mean
    pull = ways @ leaning.T
    centred = membership - membership.mean(axis=1, keepdims=True)
    response = centred * (ways**2).sum(axis=1, keepdims=True)
    if around is None:
        return Pulls(pull, response)
    other_ways = around.images - mean
    codes = around.membership - around.membership.mean(axis=1, keepdims=True)
    gram = (codes @ codes.T) * (other_ways @ other_ways.T)
    explained = (codes * (other_ways @ leaning.T)).sum(axis=1)
    between = ways @ other_ways.T
    together: dict[tuple[int, ...], list[int]] = {}
    for unit, excluded in enumerate(left_out):
        together.setdefault(tuple(excluded.tolist()), []).append(unit)
    for excluded_units, tested in together.items():
        kept = np.flatnonzero(~np.isin(around.units, excluded_units))
        matrix = gram[np.ix_(kept, kept)]
        ridge = RIDGE * np.trace(matrix) / max(1, len(kept))
        if not ridge > 0.0:
            continue
        to_kept = between[tested][:, kept]
        own = (codes[kept] @ centred[tested].T) * to_kept.T
        theta = np.linalg.solve(matrix + ridge * np.eye(len(kept)), np.column_stack([explained[kept], own]))
        pull[tested] -= (theta[:, 0] * to_kept) @ codes[kept]
        response[tested] -= (theta[:, 1:].T * to_kept) @ codes[kept]
    return Pulls(pull, response)
