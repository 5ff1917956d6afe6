"""How many units can still be withdrawn, checked by counting; and what retraining costs beside
sharded retraining.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from registry.encodings.codes import codes_of
from registry.planning import withdrawal_capacity
from registry.planning.withdrawal_capacity import retraining_cost, simulate_withdrawals


def lasting(order: tuple[int, ...], mask: int) -> int:
    gone = 0
    for count, code in enumerate(order):
        gone |= code & mask
        if gone == mask:
            return count
    return len(order)


@pytest.mark.parametrize("serving", [0b11111, 0b01101])
def test_the_simulation_is_the_distribution_over_all_orders(serving: int) -> None:
    """Every order of six units is tried; quantiles and the smallest agree, and the guarantee holds
    in all of them.
    """
    words = codes_of(3, 5, 2, np.arange(6))
    exact = [lasting(order, serving) for order in permutations(words.tolist())]
    mask = np.array([bool(serving >> index & 1) for index in range(5)])
    found = simulate_withdrawals(words, mask, draws=20_000)
    assert (found.units, found.members) == (6, int(mask.sum()))
    assert found.smallest == min(exact)
    assert found.guaranteed <= found.smallest
    assert (found.low, found.median, found.high) == tuple(np.quantile(exact, (0.05, 0.5, 0.95), method="lower"))


def test_many_units_are_drawn_like_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing one unit after the other gives the distribution of drawing whole orders."""
    words = codes_of(0, 12, 4, np.arange(40))
    whole = simulate_withdrawals(words, np.ones(12, dtype=np.bool_), draws=20_000, seed=1)
    monkeypatch.setattr(withdrawal_capacity, "SMALL", 0)
    single = simulate_withdrawals(words, np.ones(12, dtype=np.bool_), draws=20_000, seed=2)
    assert (whole.low, whole.median, whole.high) == (single.low, single.median, single.high)


def test_no_member_and_no_unit() -> None:
    """Nothing can be withdrawn from nothing; what no member saw can all be withdrawn."""
    words = codes_of(0, 6, 3, np.arange(4))
    assert simulate_withdrawals(words, np.zeros(6, dtype=np.bool_)).high == 0
    assert simulate_withdrawals(words[:0], np.ones(6, dtype=np.bool_)).units == 0
    unseen = simulate_withdrawals(np.array([0b000011], dtype=np.uint64), np.arange(6) >= 2)
    assert (unseen.guaranteed, unseen.smallest) == (1, 1)


def test_millions_of_units_take_no_time() -> None:
    """The order ends with the last member, not with the last unit."""
    words = codes_of(0, 64, 32, np.arange(200_000))
    found = simulate_withdrawals(np.tile(words, 20), np.ones(64, dtype=np.bool_))
    assert found.units == 4_000_000
    assert 3 <= found.low <= found.median <= found.high <= 20


def test_cost_counts_the_works_that_members_see() -> None:
    """One unit of three works among eight: its h members, each with its works, against all
    members.
    """
    words = codes_of(1, 6, 3, np.arange(8))
    works = np.full(8, 3)
    works[0] = 0
    retrained = np.array([bool(int(words[0]) >> index & 1) for index in range(6)])
    cost = retraining_cost(words, works, 6, retrained, np.arange(8) == 0)
    per_member = [sum(3 for word in words[1:].tolist() if word >> index & 1) for index in range(6)]
    assert cost.retrained == 3
    assert cost.work_passes == sum(count for count, again in zip(per_member, retrained, strict=True) if again)
    assert cost.all_work_passes == sum(per_member) == 3 * 21
    assert cost.relative == pytest.approx(cost.work_passes / cost.all_work_passes)
    assert cost.shards_expected == pytest.approx(1.0)
    assert (cost.shards_low, cost.shards_high) == (1, 1)
    assert cost.all_shard_work_passes == 21
    assert cost.shard_relative == pytest.approx(1 / 6)


def test_shards_that_are_hit_are_those_that_are_expected() -> None:
    """N (1 - (1 - 1/n)^k), by formula and by assigning units at random."""
    words = codes_of(1, 8, 4, np.arange(60))
    cost = retraining_cost(
        words, np.ones(60, dtype=np.int64), 8, np.ones(8, dtype=np.bool_), np.arange(60) < 5, draws=20_000
    )
    assert cost.shards_expected == pytest.approx(8 * (1 - (7 / 8) ** 5))
    # Works of the touched units are all in shards that are hit, and of the other works the share of
    # shards.
    expected = 5 + 55 * cost.shards_expected / 8
    assert cost.shard_work_passes == pytest.approx(expected, rel=0.01)
    assert cost.shards_low <= cost.shards_expected <= cost.shards_high
