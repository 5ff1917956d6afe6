"""The number of units that can be withdrawn before no member is left; the cost of retraining.

The order of future withdrawals is unknown, so the capacity is simulated: units are withdrawn in
random order, each puts the members that saw it out of service, until no member is left. The cost of
retraining is set beside that of sharded retraining (SISA, Bourtoule et al. 2021, "Machine
Unlearning"): each unit is in one of n shards, each shard has a model, and a withdrawal retrains the
shards that it hits.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.encodings import words
from registry.errors import NotFoundError
from registry.members.seen import EncodedWorks, withdrawals_applied_through, withdrawn_works
from registry.members.serving import ServiceStatus
from registry.storage.database import Registry

DRAWS = 2000
"""Random orders of withdrawal that are simulated."""
SMALL = 1024
"""With at most this many units, the whole order is drawn at once."""
MANY = 64
"""Withdrawn units per shard from which all count as hit; the chance that one is not: < e**-64."""


@dataclass(frozen=True)
class WithdrawalCapacity:
    """The number of units that can be withdrawn while a member is left."""

    units: int
    """Units that can be withdrawn."""
    members: int
    """Members in service before."""
    guaranteed: int
    """For any choice of units: each puts out of service at most the members that saw it."""
    smallest: int
    """Smallest number over the simulated orders; the next three: its 5 %, 50 %, 95 % quantiles."""
    low: int
    median: int
    high: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def simulate_withdrawals(
    unit_codes: NDArray[np.uint64], serving: NDArray[np.bool_], *, draws: int = DRAWS, seed: int = 0
) -> WithdrawalCapacity:
    """Withdraw units in random order until no member is left, ``draws`` times.

    Args:
        unit_codes: shape (units,), the codes of the units that can be withdrawn.
        serving: shape (n,), the members in service now.
        draws: number of orders.
        seed: seed of the simulation.
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
    return WithdrawalCapacity(
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
    """Shape (draws,): how many units were withdrawn before the one that left no member."""
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
    """For each row, a random number below ``count`` that the row does not have yet."""
    chosen = rng.integers(0, count, len(taken))
    while True:
        again = np.flatnonzero((taken == chosen[:, None]).any(axis=1))
        if not len(again):
            return chosen
        chosen[again] = rng.integers(0, count, len(again))


@dataclass(frozen=True)
class RetrainingCost:
    """The cost of retraining members, and that of sharded retraining, in works times passes."""

    members: int
    """Members of the ensemble."""
    retrained: int
    """Members to be trained again."""
    work_passes: int
    """Works that the retrained members see in one epoch, summed over these members."""
    all_work_passes: int
    """``work_passes`` if every member were trained again."""
    withdrawn_units: int
    shards_expected: float
    """n (1 - (1 - 1/n)^k): expected shards that k units in random shards hit."""
    shards_low: int
    """5 % quantile of the shards hit, over simulated assignments; ``shards_high``: 95 %."""
    shards_high: int
    shard_work_passes: float
    """Works in the shards that are hit, on average."""
    all_shard_work_passes: int
    """All works: each is in one shard."""

    @property
    def relative(self) -> float:
        """Cost relative to retraining all members."""
        return self.work_passes / self.all_work_passes if self.all_work_passes else 0.0

    @property
    def shard_relative(self) -> float:
        """Cost relative to retraining all shards."""
        return self.shard_work_passes / self.all_shard_work_passes if self.all_shard_work_passes else 0.0

    def to_json(self) -> dict[str, Any]:
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
    """The cost of retraining members, and that of sharded retraining for the same withdrawals.

    Args:
        unit_codes: shape (units,).
        works_left: shape (units,), works of each unit that are not withdrawn.
        n: number of members, and of shards.
        retrained: shape (n,), the members to be trained again.
        withdrawn: shape (units,), the units with withdrawn works.
        draws: number of simulated assignments of units to shards.
        seed: seed of the simulation.
    """
    per_member = words.per_member(unit_codes, works_left, n)
    k, total = int(withdrawn.sum()), int(works_left.sum())
    hit = np.zeros((draws, n), dtype=np.bool_)
    rng = np.random.default_rng(seed)
    shards = rng.integers(0, n, (draws, k)) if k <= MANY * n else np.tile(np.arange(n), (draws, 1))
    np.put_along_axis(hit, shards, True, axis=1)
    touched = int(works_left[withdrawn].sum())
    # The works left in touched units are in shards that are hit. Of all other works, the share in
    # such shards is the share of shards that are hit.
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


def withdrawals_left(
    registry: Registry, encoding_id: str, serving: Collection[int] | None = None, also: Sequence[int] = ()
) -> WithdrawalCapacity:
    """The number of units of an encoding that can be withdrawn before no member is left.

    ``serving`` has the indices of the members in service; None: as if every member had been trained
    on all works of its code. ``also``: works that count as withdrawn now.

    Raises:
        NotFoundError: no such encoding.
    """
    units = _units(registry, encoding_id, also)
    if serving is None:
        serving = [index for index in range(units.n) if not units.withdrawn.seen_by(index, None).any()]
    mask = np.isin(np.arange(units.n), list(serving))
    return simulate_withdrawals(units.codes[units.works_left > 0], mask)


def cost_of_retraining(registry: Registry, service: ServiceStatus) -> RetrainingCost:
    """The cost of bringing all members of an ensemble back into service."""
    units = _units(registry, service.encoding.id)
    retrained = np.zeros(units.n, dtype=np.bool_)
    touched = np.zeros(len(units.codes), dtype=np.bool_)
    for member in service.out_of_service:
        retrained[member.index] = True
        seen = units.withdrawn.seen_by(member.index, withdrawals_applied_through(member))
        touched[units.withdrawn.unit_numbers[seen]] = True
    return retraining_cost(units.codes, units.works_left, units.n, retrained, touched)


@dataclass(frozen=True, eq=False)
class _Units:
    n: int
    codes: NDArray[np.uint64]
    """Shape (units,)."""
    works_left: NDArray[np.int64]
    """Shape (units,), works of each unit that are not withdrawn."""
    withdrawn: EncodedWorks


def _units(registry: Registry, encoding_id: str, also: Sequence[int] = ()) -> _Units:
    with registry.connection() as connection:
        row = connection.execute("SELECT n FROM encoding WHERE id = ?", [encoding_id]).fetchone()
        if row is None:
            raise NotFoundError(f"no encoding {encoding_id}; `creditline status` lists them")
        units = connection.execute(
            "SELECT code, coalesce(works, 0) AS works FROM unit LEFT JOIN (SELECT unit_number, count(*) AS works "
            "FROM unit_asset WHERE encoding_id = $encoding GROUP BY 1) ON unit_number = number "
            "WHERE encoding_id = $encoding ORDER BY number",
            {"encoding": encoding_id},
        ).to_arrow_table()
        withdrawn = withdrawn_works(connection, encoding_id, also)
    left = units["works"].to_numpy() - np.bincount(withdrawn.unit_numbers, minlength=units.num_rows)
    return _Units(int(row[0]), units["code"].to_numpy(), left, withdrawn)


SHARDED_RETRAINING = (
    "Sharded retraining (SISA) is cheaper: a unit is in one of n shards, and each shard model is trained on 1/n of the "
    "works. Here a unit is in h of n members, and each member is trained on h/n of the works. Slices within shards make "
    "SISA cheaper still. SISA has limits, too: it cannot say which works an output came from. To serve without retraining, "
    "it must leave out a whole shard with all other works in it; leaving out members here removes no other unit entirely. "
    "Each SISA model also sees fewer works."
)
"""Limits of the comparison, in words."""
