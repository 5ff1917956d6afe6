"""The consequences of n, m and h for the works at hand, before anything is trained.

Five things compete. The codes must suffice for all units. Codes without a unit are the decoys, and
no p-value is smaller than 1 / (1 + decoys). More members let more units be withdrawn at once. Codes
that nest in supports of m members leave n - m members whenever one group leaves, and have fewer
decoys. Training the ensemble costs h passes over the works; one model costs one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fractions import Fraction
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.encodings.assignment import distinct_draws
from registry.encodings.codes import capacity, codes_of, decoys_available, withdrawals_guaranteed
from registry.encodings.keys import CODE_FORMAT
from registry.encodings.nested import check_nested, draw_slots, places_within, slots_for
from registry.encodings.store import UnitCodes
from registry.encodings.words import per_member
from registry.planning.withdrawal_capacity import WithdrawalCapacity, simulate_withdrawals

DECOY_LIMIT = 20_000
"""Largest number of decoys of an audit, by default."""
SHORTLIST = 10
"""Units that an audit tests per output, by default."""
MOST_WITHDRAWN = 8
"""Chances are computed for 1 to this many units at once."""
GROUP_DRAWS = 1_999
"""Joint draws of codes in the test of a group."""
FULLEST = 64
"""Supports among which the fullest one is looked for."""
CHOICES = 2_000
"""Random choices of groups that are tried for plain codes."""
MOST_GROUPS = 3
"""Survivors are computed for 1 to this many groups at once."""


@dataclass(frozen=True)
class Survivors:
    """Members left after the withdrawal of k groups."""

    groups: int
    """k."""
    expected: float
    """Mean over random choices of k groups."""
    worst: int
    """For the worst choice: nested codes, max(0, n - k m); plain codes, of the groups at hand."""
    chance_of_none: float
    """Chance that a random choice leaves no member."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Plan:
    """One choice of n, m and h, and its consequences."""

    n: int
    h: int
    m: int | None
    """Members of a group's support; None: plain codes."""
    units: int
    works: int
    groups: int | None
    """Groups with a support; None: no groups are known."""
    capacity: int
    """Codes that there are: of all members, or of one support."""
    works_per_member: float
    """Average over the members: works * h / n."""
    fewest_works: int
    """Works of the member with the fewest, under this seed."""
    most_works: int
    decoys: int
    """Of one unit; where codes nest, of the first."""
    smallest_p: float
    """1 / (1 + decoys used)."""
    smallest_q: float
    """Benjamini-Hochberg's q if a single unit of the shortlist has the smallest p."""
    group_decoys: int | None
    """Supports that no group has; None: plain codes."""
    smallest_group_p: float
    """Of the test of a whole group, by joint draws."""
    unit_survivors: int
    """Members left after the withdrawal of one unit: n - h."""
    group_survivors: tuple[Survivors, ...]
    """At place k-1: of k groups."""
    withdrawals_guaranteed: int
    """For any choice of units: how many can be left out at once while a member remains."""
    withdrawal_chances: tuple[float, ...]
    """At place k-1: the chance that k random units of plain codes can be left out at once."""
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
    m: int | None = None,
    group_of_unit: NDArray[np.int64] | None = None,
    shortlist: int = SHORTLIST,
    decoy_limit: int = DECOY_LIMIT,
) -> Plan:
    """The consequences of one choice of n, m, h and seed, for new codes.

    Args:
        unit_of_work: shape (works,), the unit number of each work.
        n: number of members.
        h: number of members that train on each unit.
        seed: of the codes.
        m: members of a support, for codes that nest in ``group_of_unit``; None: plain codes.
        group_of_unit: shape (units,), the group of each unit, -1 without one. With plain codes, it
            shows how many members groups would leave.
        shortlist: units that an audit tests.
        decoy_limit: decoys that an audit uses, at most.

    Raises:
        UsageError: n, m or h is out of range.
        CapacityError: more units than codes, or groups that do not fit.
    """
    units = int(unit_of_work.max()) + 1
    if m is None or group_of_unit is None:
        decoys = decoys_available(n, h, units, CODE_FORMAT)
        unit_codes = codes_of(seed, n, h, np.arange(units), CODE_FORMAT)
    else:
        slots, open_slots = slots_for(group_of_unit)
        check_nested(n, m, h, slots, open_slots)
        unit_codes, decoys = _nested_codes(n, m, h, seed, group_of_unit, slots, open_slots)
    return _plan(unit_of_work, unit_codes, decoys, (n, m, h), group_of_unit, CODE_FORMAT, shortlist, decoy_limit)


def plan_of_encoding(units: UnitCodes, *, shortlist: int = SHORTLIST, decoy_limit: int = DECOY_LIMIT) -> Plan:
    """The consequences of an encoding that exists."""
    encoding, groups = units.encoding, units.groups
    m, group_of_unit = None, None
    if groups is None:
        decoys = decoys_available(encoding.n, encoding.h, len(units.codes), units.code_format)
    else:
        m = groups.codes.support
        open_group = np.array([key is None for key in groups.keys])
        group_of_unit = np.where(open_group[groups.group_of_unit], -1, groups.group_of_unit)
        decoys = units.assignment.decoys(np.arange(1), decoy_limit, 0).available
    sizes = (encoding.n, m, encoding.h)
    return _plan(
        units.unit_numbers, units.codes, decoys, sizes, group_of_unit, units.code_format, shortlist, decoy_limit
    )


def _plan(
    unit_of_work: NDArray[np.int64],
    unit_codes: NDArray[np.uint64],
    decoys: int,
    sizes: tuple[int, int | None, int],
    group_of_unit: NDArray[np.int64] | None,
    code_format: int,
    shortlist: int,
    decoy_limit: int,
) -> Plan:
    (n, m, h), units = sizes, len(unit_codes)
    groups = None if group_of_unit is None else int(group_of_unit.max(initial=-1)) + 1
    works_of_unit = np.bincount(unit_of_work, minlength=units)
    works_of_member = per_member(unit_codes, works_of_unit, n)
    smallest_p = 1.0 / (1 + min(decoys, decoy_limit))
    most = min(MOST_WITHDRAWN, units)
    return Plan(
        n=n,
        h=h,
        m=m,
        units=units,
        works=len(unit_of_work),
        groups=groups,
        capacity=capacity(n, h, code_format) if m is None else capacity(m, h, code_format),
        works_per_member=len(unit_of_work) * h / n,
        fewest_works=int(works_of_member.min()),
        most_works=int(works_of_member.max()),
        decoys=decoys,
        smallest_p=smallest_p,
        smallest_q=min(1.0, min(shortlist, units) * smallest_p),
        group_decoys=None if m is None or groups is None else capacity(n, m, code_format) - groups,
        smallest_group_p=1.0 / (1 + GROUP_DRAWS),
        unit_survivors=n - h,
        group_survivors=() if group_of_unit is None else _group_survivors(unit_codes, group_of_unit, n, m),
        withdrawals_guaranteed=withdrawals_guaranteed(n, h),
        withdrawal_chances=tuple(withdrawal_chance(n, h, k) for k in range(1, most + 1)),
        withdrawals=simulate_withdrawals(unit_codes, np.ones(n, dtype=np.bool_)),
        training_cost=h,
    )


def _nested_codes(
    n: int, m: int, h: int, seed: int, group_of_unit: NDArray[np.int64], slots: NDArray[np.int64], open_slots: int
) -> tuple[NDArray[np.uint64], int]:
    """The codes that these units would have, and the free words of the fullest support."""
    found = draw_slots(seed, n, m, h, slots, open_slots)
    groups = np.where(group_of_unit < 0, len(slots), group_of_unit)
    unit_codes = found.codes[found.starts[groups] + places_within(groups)]
    some = np.linspace(0, len(slots) - 1, min(len(slots), FULLEST)).astype(np.int64)
    supports = found.supports[some]
    taken = max((int((found.codes & ~support == 0).sum()) for support in supports), default=0)
    return unit_codes, max(0, capacity(m, h, CODE_FORMAT) - taken)


def expected_survivors(n: int, m: int, k: int) -> float:
    """Mean number of members outside k distinct random supports of m of n members.

    Of the C(n, m) supports, C(n-1, m) leave a given member out, and k are drawn without
    replacement: the hypergeometric chance that all k leave it out, for each of n members.
    """
    size, avoiding = comb(n, m), comb(n - 1, m)
    chance = Fraction(n)
    for drawn in range(k):
        chance *= Fraction(max(0, avoiding - drawn), size - drawn)
    return float(chance)


def _group_survivors(
    unit_codes: NDArray[np.uint64], group_of_unit: NDArray[np.int64], n: int, m: int | None
) -> tuple[Survivors, ...]:
    groups = int(group_of_unit.max(initial=-1)) + 1
    most = min(MOST_GROUPS, groups)
    if m is not None:
        return tuple(
            Survivors(k, expected_survivors(n, m, k), max(0, n - k * m), 1.0 - withdrawal_chance(n, m, k))
            for k in range(1, most + 1)
        )
    seen = np.zeros(groups, dtype=np.uint64)
    grouped = group_of_unit >= 0
    np.bitwise_or.at(seen, group_of_unit[grouped], unit_codes[grouped])
    generator = np.random.default_rng(0)
    found = []
    for k in range(1, most + 1):
        together = seen if k == 1 else np.bitwise_or.reduce(seen[distinct_draws(groups, k, CHOICES, generator)], axis=1)
        left = n - np.bitwise_count(together).astype(np.int64)
        found.append(Survivors(k, float(left.mean()), int(left.min()), float((left == 0).mean())))
    return tuple(found)


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
