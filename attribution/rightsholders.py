"""Evidence about rightsholders, from codes that were dealt to their works one by one.

A model may have learned from many of somebody's works a little, so that no work alone is found. The ranking, which is blind
to the codes, weights a rightsholder's works by how close they are to the image; the statistic is the weighted sum of the
works' own,

    T_R = sum over R's works of w_x T_x

Under the sharp null "none of these works made a difference to any member" their codes, given all others, are a draw without
replacement from those that no other unit has: the decoys and R's own. So codes for all of R's works are drawn jointly from
these, as many times as is stated, and p = (1 + #{draws with T >= T_R}) / (1 + #draws) is exact. R's own codes must be among
those drawn from: with several works, draws from the decoys alone would be alike in what they avoid, and the true codes
would not be one of them. Benjamini and Hochberg's procedure runs over the rightsholders that are tested; which these are,
and which of their works, the ranking says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from attribution.evidence import benjamini_hochberg, contrast_weights, exact_p_values
from registry.database import Registry
from registry.rights import ASSET_RIGHTS, with_rightsholders

DRAWS = 1_999
"""Joint draws of codes, so that p can be as small as 1/2000."""
REACH = 200
"""Works of the ranking among which rightsholders are looked for."""
MOST_WORKS = 32
"""Works tested of one rightsholder: the first in the ranking. Weights fall off so fast that further ones add nothing."""
WORK_BANDWIDTH = 0.01
"""tau of the weights exp(-d / tau), for mean squared differences d. Fixed: a chosen one would know a little of the codes."""
METHOD = "weighted sum of the works' directional statistics against joint draws of codes"


@dataclass(frozen=True)
class RightsholderEvidence:
    """One rightsholder's test."""

    name: str
    works: int
    """Works that were tested."""
    statistic: float
    p_value: float
    q_value: float
    """Over the rightsholders that were tested."""

    def to_json(self) -> dict[str, Any]:
        """As it is stored with an audit."""
        return {
            "name": self.name,
            "works": self.works,
            "statistic": self.statistic,
            "p": self.p_value,
            "q": self.q_value,
        }


def owners_of_works(registry: Registry, asset_ids: Int64[np.ndarray, " work"]) -> dict[int, tuple[str, ...]]:
    """The names of every work's rightsholders, by asset id; works that have none are not in it."""
    if not len(asset_ids):
        return {}
    between = f"BETWEEN {int(asset_ids.min())} AND {int(asset_ids.max())}"
    rights = f"SELECT * FROM ({ASSET_RIGHTS}) WHERE asset_id {between}"  # noqa: S608 - numbers
    query = f"SELECT asset_id, rightsholders FROM ({with_rightsholders(rights, between)}) WHERE len(rightsholders) > 0"  # noqa: S608 - from the module of rights
    with registry.connection() as connection:
        found = connection.execute(query).fetchall()
    wanted = set(asset_ids.tolist())
    return {int(asset): tuple(names) for asset, names in found if asset in wanted}


def holdings(
    owners: Sequence[Sequence[str]], length: int, most_works: int = MOST_WORKS
) -> dict[str, Int64[np.ndarray, " work"]]:
    """The first ``length`` rightsholders of a ranking, with the places of their works in it.

    Args:
        owners: the names of each ranked work's rightsholders, best work first.
        length: rightsholders, at most.
        most_works: places of each, at most.
    """
    places: dict[str, list[int]] = {}
    for place, names in enumerate(owners):
        for name in dict.fromkeys(names):
            if name in places or len(places) < length:
                places.setdefault(name, []).append(place)
    return {name: np.array(listed[:most_works], dtype=np.int64) for name, listed in places.items()}


def assess_rightsholders(
    pulls: Float64[np.ndarray, "work member"],
    membership: Bool[np.ndarray, "work member"],
    decoys: Bool[np.ndarray, "decoy member"],
    differences: Float64[np.ndarray, " work"],
    held: Mapping[str, Int64[np.ndarray, " place"]],
    seed: int,
    draws: int = DRAWS,
) -> list[RightsholderEvidence]:
    """Test each rightsholder by the works of a ranking that was made without the codes; in the order of ``held``.

    Args:
        pulls: of the ranked works, see :func:`attribution.evidence.pulls`.
        membership: which members saw which of them.
        decoys: the bits of codes that belong to no unit.
        differences: mean squared differences of the ranked works from the image.
        held: the places of each rightsholder's works.
        seed: of the draws; must not depend on the codes.
        draws: joint draws of codes.
    """
    own, others = contrast_weights(membership), contrast_weights(decoys)
    tested = []
    for number, (name, places) in enumerate(held.items()):
        weights = np.exp(-(differences[places] - differences[places].min()) / WORK_BANDWIDTH)
        weighted = pulls[places] * (weights / weights.sum())[:, None]
        pool = np.concatenate([own[places], others])
        rows = distinct_draws(len(pool), len(places), draws, np.random.default_rng((seed, number)))
        by_code = weighted @ pool.T
        drawn = by_code[np.arange(len(places)), rows].sum(axis=1)
        statistic = float(by_code[np.arange(len(places)), np.arange(len(places))].sum())
        p_value = float(exact_p_values(np.array([statistic]), drawn[None])[0])
        tested.append((name, len(places), statistic, p_value))
    q_values = benjamini_hochberg(np.array([p_value for *_, p_value in tested]))
    return [RightsholderEvidence(*facts, float(q)) for facts, q in zip(tested, q_values, strict=True)]


def distinct_draws(
    size: int, count: int, draws: int, generator: np.random.Generator
) -> Int64[np.ndarray, "draw count"]:
    """Rows of ``count`` distinct numbers below ``size``, every ordered choice as probable as any other.

    Floyd's algorithm (Bentley and Floyd 1987) on all rows at once, then each row shuffled.
    """
    chosen = np.empty((draws, count), dtype=np.int64)
    for column, last in enumerate(range(size - count, size)):
        number = generator.integers(0, last + 1, draws)
        taken = (chosen[:, :column] == number[:, None]).any(axis=1)
        chosen[:, column] = np.where(taken, last, number)
    generator.permuted(chosen, axis=1, out=chosen)
    return chosen
