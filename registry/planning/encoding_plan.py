"""The consequences of n and h for the works at hand, before anything is trained.

Four things compete. The codes must suffice for all units. Codes without a unit are the decoys, and
no p-value is smaller than 1 / (1 + decoys). More members let more units be withdrawn at once.
Training the ensemble costs h passes over the works; one model costs one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fractions import Fraction
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.encodings import codes, words
from registry.planning.withdrawal_capacity import WithdrawalCapacity, simulate_withdrawals

DECOY_LIMIT = 20_000
"""Largest number of decoys of an audit, by default."""
SHORTLIST = 10
"""Units that an audit tests per output, by default."""
MOST_WITHDRAWN = 8
"""Chances are computed for 1 to this many units at once."""


@dataclass(frozen=True)
class Plan:
    """One choice of n and h, and its consequences."""

    n: int
    h: int
    units: int
    works: int
    capacity: int
    works_per_member: float
    """Average over the members: works * h / n."""
    fewest_works: int
    """Works of the member with the fewest, under this seed."""
    most_works: int
    decoys: int
    smallest_p: float
    """1 / (1 + decoys used)."""
    smallest_q: float
    """Benjamini-Hochberg's q if a single unit of the shortlist has the smallest p."""
    withdrawals_guaranteed: int
    """For any choice of units: how many can be left out at once while a member remains."""
    withdrawal_chances: tuple[float, ...]
    """At place k-1: the chance that k random units can be left out at once."""
    withdrawals: WithdrawalCapacity
    """Withdrawals by simulation over the units' own codes, to the last member."""
    training_cost: int
    """Relative to one model on all works: h, as each of n members trains on h/n of them."""

    def to_json(self) -> dict[str, Any]:
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
    """The consequences of one choice of n, h and seed.

    ``unit_of_work`` has the unit number of each work, shape (works,).

    Raises:
        UsageError: n or h is out of range.
        CapacityError: more units than codes.
    """
    units = int(unit_of_work.max()) + 1
    decoys = codes.decoys_available(n, h, units)
    unit_codes = codes.codes_of(seed, n, h, np.arange(units))
    works_of_unit = np.bincount(unit_of_work, minlength=units)
    per_member = works_of_unit @ words.bits(unit_codes, n)
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
        withdrawals=simulate_withdrawals(unit_codes, np.ones(n, dtype=np.bool_)),
        training_cost=h,
    )


def withdrawal_chance(n: int, h: int, k: int) -> float:
    """The chance that a member remains when k units with random distinct codes are left out.

    Inclusion and exclusion over sets of j members that saw none of the k units: C(n-j, h) codes
    avoid the set, and the k codes are drawn without replacement. Fractions keep it exact.
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
