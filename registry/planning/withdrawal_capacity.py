"""How many units can still be withdrawn before no member is left, over the codes as they are; and
what retraining costs.

Which units will be withdrawn nobody knows, so the first is a simulation: units in random order,
each taking the members that saw it out of service, until none is left. The cost is set beside that
of sharded retraining (SISA, Bourtoule et al. 2021, "Machine Unlearning"), where each unit is in one
of n shards, each shard has a model, and a withdrawal retrains the shards that it hits.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
"""Orders of withdrawal that are simulated."""
SMALL = 1024
"""Up to how many units the whole order is drawn at once."""
MANY = 64
"""Units per shard beyond which all shards are hit, but for a chance below e**-64 each."""


@dataclass(frozen=True)
class Removals:
    """How many units can be withdrawn with a member left."""

    units: int
    """That could be withdrawn."""
    members: int
    """In service before."""
    guaranteed: int
    """Whichever they are: each takes away at most as many members as saw it."""
    smallest: int
    """Over the simulated orders, as are the others."""
    low: int
    """The 5 % quantile."""
    median: int
    high: int
    """The 95 % quantile."""

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return asdict(self)


def simulate_removals(
    unit_codes: NDArray[np.uint64], serving: NDArray[np.bool_], *, draws: int = DRAWS, seed: int = 0
) -> Removals:
    """Withdraw units in random order until no member is left, ``draws`` times over.

    Args:
        unit_codes: shape (units,): the codes of the units that may be withdrawn.
        serving: shape (n,): the members that are in service now.
        draws: how many orders.
        seed: of the simulation.
    """
    mask = np.uint64(sum(1 << int(index) for index in np.flatnonzero(serving)))
    relevant = unit_codes & mask
    members = int(serving.sum())
    widest = int(np.bitwise_count(relevant).max(initial=0))
    lasted = np.full(draws, len(relevant)) if members else np.zeros(draws, dtype=np.int64)
    if members and len(relevant):
        lasted = _until_none_is_left(relevant, mask, draws, np.random.default_rng(seed))
    low, median, high = (int(value) for value in np.quantile(lasted, (0.05, 0.5, 0.95), method="lower"))
    guaranteed = -(-members // widest) - 1 if widest else len(relevant)
    return Removals(
        units=len(relevant),
        members=members,
        guaranteed=max(0, min(guaranteed, len(relevant))),
        smallest=int(lasted.min()),
        low=low,
        median=median,
        high=high,
    )


def _until_none_is_left(
    relevant: NDArray[np.uint64], mask: np.uint64, draws: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Shape (draws,): how many units went before the one that took the last member."""
    count = len(relevant)
    lasted = np.full(draws, count, dtype=np.int64)
    gone = np.zeros(draws, dtype=np.uint64)
    order = rng.permuted(np.tile(np.arange(count), (draws, 1)), axis=1) if count <= SMALL else None
    taken = np.empty((draws, 0), dtype=np.int64)
    alive = np.arange(draws)
    for step in range(count):
        if order is not None:
            chosen = order[alive, step]
        else:
            chosen = _not_yet_taken(count, taken, rng)
            taken = np.column_stack([taken, chosen])
        gone[alive] |= relevant[chosen]
        done = gone[alive] == mask
        lasted[alive[done]] = step
        alive, taken = alive[~done], taken[~done] if order is None else taken
        if not len(alive):
            break
    return lasted


def _not_yet_taken(count: int, taken: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """One number below ``count`` per row, none that the row has."""
    chosen = rng.integers(0, count, len(taken))
    while True:
        again = np.flatnonzero((taken == chosen[:, None]).any(axis=1))
        if not len(again):
            return chosen
        chosen[again] = rng.integers(0, count, len(again))


@dataclass(frozen=True)
class RetrainingCost:
    """Members that are trained again, beside the shards that sharded retraining would train, in
    works x passes.
    """

    members: int
    """Of the ensemble."""
    retrained: int
    work_passes: int
    """Works that the retrained members see, summed over them: one epoch of each."""
    all_work_passes: int
    """The same if every member were trained again."""
    withdrawn_units: int
    shards_expected: float
    """n (1 - (1 - 1/n)^k): shards that k units in random shards hit."""
    shards_low: int
    """5 % quantile over simulated assignments, as are the next."""
    shards_high: int
    shard_work_passes: float
    """Works in the shards that are hit, on average."""
    all_shard_work_passes: int
    """The works there are: each is in one shard."""

    @property
    def relative(self) -> float:
        """To retraining all members."""
        return self.work_passes / self.all_work_passes if self.all_work_passes else 0.0

    @property
    def shard_relative(self) -> float:
        """To retraining all shards."""
        return self.shard_work_passes / self.all_shard_work_passes if self.all_shard_work_passes else 0.0

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {**asdict(self), "relative": self.relative, "shard_relative": self.shard_relative}


def retraining_cost(
    unit_codes: NDArray[np.uint64],
    works_left: NDArray[np.int64],
    n: int,
    retrained: NDArray[np.bool_],
    withdrawn: NDArray[np.bool_],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> RetrainingCost:
    """What retraining members costs, and what sharded retraining would for the same withdrawals.

    Args:
        unit_codes: shape (units,).
        works_left: shape (units,): works of each unit that were not withdrawn.
        n: number of members, and of shards.
        retrained: shape (n,): the members to be trained again.
        withdrawn: shape (units,): the units that these withdrawals touch, wholly or in part.
        draws: how many assignments of units to shards are simulated.
        seed: of the simulation.
    """
    per_member = np.zeros(n, dtype=np.int64)
    for index in range(n):
        per_member[index] = int(works_left[(unit_codes >> np.uint64(index) & np.uint64(1)).astype(np.bool_)].sum())
    k, total = int(withdrawn.sum()), int(works_left.sum())
    hit = np.zeros((draws, n), dtype=np.bool_)
    rng = np.random.default_rng(seed)
    shards = rng.integers(0, n, (draws, k)) if k <= MANY * n else np.tile(np.arange(n), (draws, 1))
    np.put_along_axis(hit, shards, True, axis=1)
    touched = int(works_left[withdrawn].sum())
    # What is left of the touched units lies in shards that are hit; of the others, as large a share
    # as shards are hit.
    passes = touched + (total - touched) * float(hit.mean())
    counts = hit.sum(axis=1)
    return RetrainingCost(
        members=n,
        retrained=int(retrained.sum()),
        work_passes=int(per_member[retrained].sum()),
        all_work_passes=int(per_member.sum()),
        withdrawn_units=k,
        shards_expected=n * (1.0 - (1.0 - 1.0 / n) ** k),
        shards_low=int(np.quantile(counts, 0.05, method="lower")),
        shards_high=int(np.quantile(counts, 0.95, method="higher")),
        shard_work_passes=passes,
        all_shard_work_passes=total,
    )


SHARDED_RETRAINING = (
    "Sharded retraining (SISA) is cheaper to retrain: a unit is in one of n shards and each shard is trained on 1/n of the "
    "works, where a unit here is in h of n members that are trained on h/n of them each; slices within shards make it "
    "cheaper still. What it lacks: it cannot say which works an output came from, and to serve on without retraining it must "
    "leave a whole shard out, with all other works in it, whereas members that are left out here take no other unit with "
    "them entirely. Each of its models also sees fewer works."
)
"""What the comparison does not show in figures."""
