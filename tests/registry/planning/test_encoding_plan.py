"""Plans: what follows from n and h, checked by counting on small encodings."""

from __future__ import annotations

from functools import reduce
from itertools import combinations, pairwise
from operator import or_

import numpy as np
import pytest

from registry.encodings.codes import codes_of
from registry.errors import CapacityError
from registry.planning.encoding_plan import expected_survivors, plan, withdrawal_chance


@pytest.mark.parametrize(("n", "h"), [(6, 3), (6, 2), (5, 1), (7, 4)])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_chance_of_withdrawing_is_the_share_of_all_choices(n: int, h: int, k: int) -> None:
    """Every choice of k codes of the full encoding is tried."""
    words = codes_of(0, n, h, range(len([word for word in range(2**n) if word.bit_count() == h]))).tolist()
    choices = list(combinations(words, k))
    left = sum(reduce(or_, choice) != 2**n - 1 for choice in choices)
    assert withdrawal_chance(n, h, k) == pytest.approx(left / len(choices), abs=1e-12)


def test_the_chance_is_a_chance_for_the_largest_encoding() -> None:
    """Exact until the last step, where floating point would cancel."""
    chances = [withdrawal_chance(64, 32, k) for k in range(1, 20)]
    assert chances[0] == 1.0
    assert all(later <= earlier for earlier, later in pairwise(chances))
    assert 0.0 < chances[-1] < 1e-3 < chances[3] < 1.0


def test_a_plan_counts_what_members_will_see() -> None:
    """Forty works of eight groups: the fewest and most works are those of the real codes."""
    unit_of_work = np.arange(40) % 8
    found = plan(unit_of_work, 7, 3, 5)
    words = codes_of(5, 7, 3, range(8), 2)
    per_member = [sum(5 for word in words.tolist() if word >> index & 1) for index in range(7)]
    assert (found.fewest_works, found.most_works) == (min(per_member), max(per_member))
    assert found.works_per_member == pytest.approx(120 / 7)
    assert (found.units, found.works, found.capacity, found.decoys) == (8, 40, 35, 27)
    assert found.smallest_p == pytest.approx(1 / 28)
    assert found.smallest_q == pytest.approx(8 / 28)  # a shortlist has no more places than there are units
    assert (found.withdrawals_guaranteed, found.training_cost, found.unit_survivors) == (2, 3, 4)
    assert len(found.withdrawal_chances) == 8


def test_decoys_beyond_the_limit_do_not_make_p_smaller_and_q_is_at_most_one() -> None:
    """An audit draws only so many; and no decoys means no evidence."""
    assert plan(np.arange(10), 30, 15, 0, decoy_limit=999).smallest_p == 1e-3
    full = plan(np.arange(4), 4, 1, 0)
    assert (full.decoys, full.smallest_p, full.smallest_q) == (0, 1.0, 1.0)
    with pytest.raises(CapacityError):
        plan(np.arange(5), 4, 1, 0)


@pytest.mark.parametrize(("n", "m", "k"), [(6, 4, 1), (6, 4, 2), (5, 3, 3), (7, 5, 2)])
def test_survivors_of_groups_are_those_of_all_choices_of_supports(n: int, m: int, k: int) -> None:
    """Expected number and the chance of none, by trying every choice of k supports."""
    supports = [word for word in range(2**n) if word.bit_count() == m]
    left = [n - reduce(or_, choice).bit_count() for choice in combinations(supports, k)]
    assert expected_survivors(n, m, k) == pytest.approx(sum(left) / len(left))
    assert 1.0 - withdrawal_chance(n, m, k) == pytest.approx(left.count(0) / len(left))
    assert min(left) == max(0, n - k * m)


def test_nested_codes_leave_members_and_plain_codes_of_the_same_works_leave_none() -> None:
    """Three groups of six works: what each form leaves, and what it costs in decoys."""
    group_of_unit = np.repeat(np.arange(3), 6)
    nested = plan(np.arange(18), 12, 4, 1, m=9, group_of_unit=group_of_unit)
    plain = plan(np.arange(18), 12, 4, 1, group_of_unit=group_of_unit)
    assert [left.worst for left in nested.group_survivors] == [3, 0, 0]
    assert nested.group_survivors[0].expected == pytest.approx(3.0)
    assert plain.group_survivors[0].worst <= 1
    assert (nested.capacity, plain.capacity) == (126, 495)
    assert 126 - 24 <= nested.decoys <= 126 - 8
    assert plain.decoys == 495 - 18
    assert (nested.group_decoys, plain.group_decoys, nested.groups) == (220 - 3, None, 3)
