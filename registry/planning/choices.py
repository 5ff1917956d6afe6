"""What a choice of n and h gives for the works at hand, before anything is trained; and what is
left of it after withdrawals.

Four things pull against each other: the codes must reach for all units; those that are left over
are the decoys, and a p-value cannot be smaller than one over their number; more members let more
units be withdrawn at once; and training the ensemble costs h passes over the works, where one model
costs one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.encodings import codes
from registry.errors import NotFoundError
from registry.members.seen import EncodedWorks, withdrawals_applied_through, withdrawn_works
from registry.members.serving import Service
from registry.planning.withdrawal_capacity import Removals, RetrainingCost, retraining_cost, simulate_removals
from registry.storage.database import Registry

DECOY_LIMIT = 20_000
"""Decoys that an audit draws at most, unless told otherwise."""
SHORTLIST = 10
"""Units that an audit tests per output, unless told otherwise."""
MOST_WITHDRAWN = 8
"""Up to how many units at once the chances are worked out."""


@dataclass(frozen=True)
class Plan:
    """One choice of n and h, and what follows from it."""

    n: int
    h: int
    units: int
    works: int
    capacity: int
    works_per_member: float
    """On average over the members: works * h / n."""
    fewest_works: int
    """Of the member with the fewest, under this seed."""
    most_works: int
    decoys: int
    smallest_p: float
    """1 / (1 + decoys used)."""
    smallest_q: float
    """Benjamini-Hochberg's q of a single unit of the shortlist that has the smallest p."""
    withdrawals_guaranteed: int
    """Units, whichever they are, that can be left out at once with a member remaining."""
    withdrawal_chances: tuple[float, ...]
    """At place k-1: the chance that k units drawn at random can be left out at once."""
    withdrawals: Removals
    """The same by simulation over the units' own codes, to the last member."""
    training_cost: int
    """Relative to one model on all works: each member trains on h/n of them, and there are n."""

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return asdict(self)


def plan(
    unit_of_work: NDArray[np.int64],
    n: int,
    h: int,
    seed: int,
    *,
    shortlist: int = SHORTLIST,
    decoy_limit: int = DECOY_LIMIT,
) -> Plan:
    """Work out one choice for works whose unit numbers are ``unit_of_work``, shape (works,).

    Raises:
        UsageError: n or h is out of range.
        CapacityError: more units than codes.
    """
    units = int(unit_of_work.max()) + 1
    decoys = codes.decoys_available(n, h, units)
    unit_codes = codes.codes_of(seed, n, h, np.arange(units))
    works_of_unit = np.bincount(unit_of_work, minlength=units)
    per_member = works_of_unit @ codes.bits(unit_codes, n)
    smallest_p = 1.0 / (1 + min(decoys, decoy_limit))
    most = min(MOST_WITHDRAWN, units)
    return Plan(
        n=n,
        h=h,
        units=units,
        works=len(unit_of_work),
        capacity=codes.capacity(n, h),
        works_per_member=len(unit_of_work) * h / n,
        fewest_works=int(per_member.min()),
        most_works=int(per_member.max()),
        decoys=decoys,
        smallest_p=smallest_p,
        smallest_q=min(1.0, min(shortlist, units) * smallest_p),
        withdrawals_guaranteed=codes.withdrawals_guaranteed(n, h),
        withdrawal_chances=tuple(withdrawal_chance(n, h, k) for k in range(1, most + 1)),
        withdrawals=simulate_removals(unit_codes, np.ones(n, dtype=np.bool_)),
        training_cost=h,
    )


def withdrawal_chance(n: int, h: int, k: int) -> float:
    """The chance that a member remains when k units with random distinct codes are left out.

    Inclusion and exclusion over the sets of j members that saw none of the k units: C(n-j, h) codes
    avoid them, and the k codes are drawn from those without replacement. Exact until the last step.
    """
    size = comb(n, h)
    chance = Fraction(0)
    for j in range(1, n - h + 1):
        avoiding = comb(n - j, h)
        together = Fraction(1)
        for drawn in range(k):
            together *= Fraction(max(0, avoiding - drawn), size - drawn)
        chance -= (-1) ** j * comb(n, j) * together
    return float(chance)


def removals_left(registry: Registry, encoding_id: str, serving: Collection[int] | None = None) -> Removals:
    """How many more units of an encoding can be withdrawn before no member is left.

    Args:
        registry: where the encoding is.
        encoding_id: of which codes.
        serving: members that are in service, by index; None: those that would be if each had been
            trained on all works of its codes.
    """
    n, unit_codes, works, withdrawn = _units(registry, encoding_id)
    left = _works_left(works, withdrawn)
    if serving is None:
        serving = [index for index in range(n) if not withdrawn.seen_by(index, None).any()]
    mask = np.isin(np.arange(n), list(serving))
    return simulate_removals(unit_codes[left > 0], mask)


def cost_of_retraining(registry: Registry, service: Service) -> RetrainingCost:
    """What it costs to bring all members of an ensemble back into service."""
    n, unit_codes, works, withdrawn = _units(registry, service.encoding.id)
    retrained = np.zeros(n, dtype=np.bool_)
    touched = np.zeros(len(unit_codes), dtype=np.bool_)
    for state in service.states:
        if not state.serves:
            retrained[state.member.index] = True
            through = withdrawals_applied_through(state.member)
            touched[withdrawn.unit_numbers[withdrawn.seen_by(state.member.index, through)]] = True
    return retraining_cost(unit_codes, _works_left(works, withdrawn), n, retrained, touched)


def _units(registry: Registry, encoding_id: str) -> tuple[int, NDArray[np.uint64], NDArray[np.int64], EncodedWorks]:
    """n, and by number: the units' codes and how many works each has; and the works that were
    withdrawn.
    """
    with registry.connection() as connection:
        row = connection.execute("SELECT n FROM encoding WHERE id = ?", [encoding_id]).fetchone()
        if row is None:
            raise NotFoundError(f"no encoding {encoding_id}; `creditline status` lists what there is")
        units = connection.execute(
            "SELECT code, coalesce(works, 0) AS works FROM unit LEFT JOIN (SELECT unit_number, count(*) AS works "
            "FROM unit_asset WHERE encoding_id = $encoding GROUP BY 1) ON unit_number = number "
            "WHERE encoding_id = $encoding ORDER BY number",
            {"encoding": encoding_id},
        ).to_arrow_table()
        withdrawn = withdrawn_works(connection, encoding_id)
    return int(row[0]), units["code"].to_numpy(), units["works"].to_numpy(), withdrawn


def _works_left(works: NDArray[np.int64], withdrawn: EncodedWorks) -> NDArray[np.int64]:
    left: NDArray[np.int64] = works - np.bincount(withdrawn.unit_numbers, minlength=len(works))
    return left
