"""The law of codes: draws are uniform over all valid assignments, so tests by redealt codes are
exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from scipy import stats

from registry.encodings.assignment import Assignment, Groups
from registry.encodings.codes import capacity, codes_of
from registry.encodings.keys import CODE_FORMAT
from registry.encodings.nested import _all_differ, _drawn, draw_slots, fits, log_chance
from registry.encodings.words import all_members
from registry.errors import CapacityError

Configuration = tuple[tuple[int, ...], tuple[int, ...]]
"""Supports by group, codes by unit."""


def nested(seed: int, n: int, m: int, h: int, counts: list[int], taken: list[int] | None = None) -> Assignment:
    """Groups with these slots, of which the first ``taken`` have a unit; default: all."""
    taken = taken or counts
    slots = draw_slots(seed, n, m, h, np.array(counts))
    groups = np.repeat(np.arange(len(counts)), taken)
    chosen = np.concatenate([np.arange(many) + start for many, start in zip(taken, slots.starts, strict=True)])
    names = [str(group) for group in range(len(counts))]
    places = np.concatenate([np.arange(many) for many in taken])
    return Assignment(
        n, h, seed, 2, slots.codes[chosen], Groups(m, "rightsholder", slots, groups, places, list(names), names)
    )


def words(n: int, weight: int) -> list[int]:
    return [word for word in range(2**n) if word.bit_count() == weight]


def configurations(n: int, m: int, h: int, group_of_unit: tuple[int, ...]) -> list[Configuration]:
    """All valid assignments, listed by hand; not for sizes with complements."""
    found = []
    for supports in permutations(words(n, m), max(group_of_unit) + 1):
        wide = [supports[group] for group in group_of_unit]
        found += [
            (supports, codes)
            for codes in permutations(words(n, h), len(group_of_unit))
            if all(code & support == code for code, support in zip(codes, wide, strict=True))
        ]
    return found


def test_every_valid_assignment_is_as_likely_as_every_other() -> None:
    """Supports and codes, over attempts: 1,020 assignments of two groups, by chi-square."""
    supports, codes = _drawn(0, 5, 3, 1, np.array([2, 1]), 0, np.arange(20_000))
    good = _all_differ(codes, 5, 1)
    rows = zip(map(tuple, supports[good].tolist()), map(tuple, codes[good].tolist()), strict=True)
    counts = Counter(rows)
    valid = configurations(5, 3, 1, (0, 0, 1))
    assert set(counts) == set(valid)
    assert stats.chisquare([counts[each] for each in valid]).pvalue > 1e-4


def test_the_chance_of_distinct_codes_is_about_the_share_of_attempts() -> None:
    """The plan and the refusals rest on it."""
    for n, m, h, counts in ((8, 6, 2, [3, 3, 2]), (12, 9, 4, [15, 15, 15, 15]), (10, 8, 5, [9, 9, 4])):
        _, codes = _drawn(1, n, m, h, np.array(counts), 0, np.arange(3000))
        share = _all_differ(codes, n, h).mean()
        assert np.log(share) == pytest.approx(log_chance(n, h, np.array(counts)), abs=0.7)
    assert log_chance(4, 2, np.array([2, 2])) == -np.inf


@pytest.mark.parametrize("units", [[0], [0, 1], [2], [0, 2], [2, 0, 1]])
@pytest.mark.parametrize("new_supports", [False, True])
def test_joint_draws_are_uniform_over_all_assignments_that_keep_the_others(
    units: list[int], new_supports: bool
) -> None:
    """By enumeration: what may move is the units, or all of their groups and their supports."""
    group_of_unit = (0, 0, 1)
    made = nested(3, 5, 3, 1, [2, 1])
    assert made.groups is not None
    supports, codes = made.groups.slots.supports.tolist(), made.codes.tolist()
    renewed = {group_of_unit[unit] for unit in units} if new_supports else set()
    moving = {unit for unit in range(3) if unit in units or group_of_unit[unit] in renewed}
    expected = Counter(
        tuple(codes_[unit] for unit in units)
        for supports_, codes_ in configurations(5, 3, 1, group_of_unit)
        if all(supports_[group] == supports[group] for group in {0, 1} - renewed)
        and all(codes_[unit] == codes[unit] for unit in {0, 1, 2} - moving)
    )
    drawn = made.joint_draws(np.array(units), 6000, np.random.default_rng(0), new_supports=renewed)
    counts = Counter(map(tuple, drawn.tolist()))
    assert set(counts) <= set(expected)
    assert tuple(codes[unit] for unit in units) in expected
    share = 6000 / sum(expected.values())
    observed = [counts[each] for each in expected]
    assert stats.chisquare(observed, [many * share for many in expected.values()]).pvalue > 1e-4


@pytest.mark.parametrize("new_supports", [False, True])
def test_p_values_are_uniform_under_codes_dealt_anew(new_supports: bool) -> None:
    """A fixed statistic of all members, over assignments of other seeds: the sharp null."""
    generator = np.random.default_rng(1)
    value = generator.normal(size=8)
    p_values = []
    for seed in range(90):
        made = nested(seed, 8, 6, 2, [4, 4, 3], [3, 3, 2])
        units = np.array([0, 1, 2])
        drawn = made.joint_draws(units, 39, np.random.default_rng((seed, 5)), new_supports=[0] * new_supports)
        every = np.concatenate([made.codes[units][None], drawn])
        bits = every[..., None] >> np.arange(8, dtype=np.uint64) & np.uint64(1)
        statistic = (bits @ value) @ np.array([1.0, 0.5, 0.25])
        p_values.append((1 + (statistic[1:] >= statistic[0] - 1e-12).sum()) / 40)
    # Ties count against the unit, so p-values may be larger than uniform, never smaller.
    assert stats.kstest(p_values, "uniform", alternative="greater").pvalue > 1e-3
    assert abs(np.mean(np.array(p_values) <= 0.1) - 0.1) < 4 * np.sqrt(0.09 / 90)


@contextmanager
def refused_where_tight(n: int, h: int, total: int) -> Iterator[None]:
    """Leave a case out in which supports share so many words that too few are left for all.

    That may happen only if the codes take over half of all words. Of a word and its complement one
    can be a code, so at h = n/2 only half of C(n, h) words count.
    """
    try:
        yield
    except CapacityError:
        assert 2 * total > capacity(n, h, CODE_FORMAT)
        reject()


@given(
    st.integers(5, 16).flatmap(
        lambda n: st.integers(3, n - 1).flatmap(lambda m: st.tuples(st.just(n), st.just(m), st.integers(2, m - 1)))
    ),
    st.lists(st.integers(1, 6), min_size=1, max_size=4),
    st.integers(-(2**63), 2**63 - 1),
)
@settings(max_examples=40, deadline=None)
def test_nested_codes_are_distinct_words_of_equal_weight_without_complements(
    size: tuple[int, int, int], counts: list[int], seed: int
) -> None:
    """Over all pairs: no code contains another, none mirrors another, each is in its support."""
    n, m, h = size
    if not fits(n, m, h, np.array(counts), 0):
        return
    with refused_where_tight(n, h, sum(counts)):
        slots = draw_slots(seed, n, m, h, np.array(counts))
    supports, codes = slots.supports.tolist(), slots.codes.tolist()
    wide = np.repeat(slots.supports, counts).tolist()
    assert len(set(supports)) == len(counts)
    assert all(word.bit_count() == m for word in supports)
    assert all(word.bit_count() == h for word in codes)
    assert all(code & support == code for code, support in zip(codes, wide, strict=True))
    mask = int(all_members(n))
    for first, (code, support) in enumerate(zip(codes, wide, strict=True)):
        for second, other in enumerate(codes):
            assert first == second or code & ~other
            assert code ^ other != mask
            assert wide[second] != support or code ^ other != support
    assert all(first ^ second != mask for first in supports for second in supports)


@given(st.integers(4, 12), st.integers(0, 2**32), st.integers(1, 5), st.data())
@settings(max_examples=20, deadline=None)
def test_decoys_are_free_words_of_the_support_and_their_number_does_not_depend_on_the_code(
    n: int, seed: int, many: int, data: st.DataObject
) -> None:
    """Dealt another code, a tested unit has as many decoys, and its former code is one of them."""
    m = data.draw(st.integers(3, n - 1))
    h = data.draw(st.integers(1, m - 1))
    if not fits(n, m, h, np.array([many, many]), 0):
        return
    with refused_where_tight(n, h, 2 * many):
        made = nested(seed, n, m, h, [many, many])
    assert made.groups is not None
    found = made.decoys(np.array([0]), 10_000, 0)
    assert found.count == found.available
    assert found.words.shape == (1, found.count)
    taken = set(made.groups.slots.codes.tolist())
    support = int(made.groups.slots.supports[0])
    for word in found.words[0].tolist():
        assert word not in taken
        assert word & support == word
        assert word.bit_count() == h
    inside = sum(code & support == code for code in taken)
    mirrored = 2 if 2 * h == m else 1
    assert found.count >= capacity(m, h, 2) - inside
    assert found.count <= capacity(m, h, 2) * mirrored - many


def test_plain_joint_draws_deal_own_and_unused_codes() -> None:
    """Four of six words are taken; two units are dealt the four words that remain to them."""
    made = Assignment(4, 2, 9, 1, codes_of(9, 4, 2, range(4)))
    drawn = made.joint_draws(np.array([1, 3]), 4000, np.random.default_rng(0))
    fixed = set(made.codes[[0, 2]].tolist())
    free = sorted(set(words(4, 2)) - fixed)
    counts = Counter(map(tuple, drawn.tolist()))
    expected = list(permutations(free, 2))
    assert set(counts) == set(expected)
    assert stats.chisquare([counts[pair] for pair in expected]).pvalue > 1e-4
    served = made.joint_draws(np.array([1]), 200, np.random.default_rng(0), serving=[0, 1])
    assert not made.without_contrast(served, [0, 1]).any()


def test_new_supports_need_all_members_in_service_and_leave_the_open_group_alone() -> None:
    """With members out of service the supports stay; so do all members of the open group."""
    made = nested(3, 6, 4, 2, [2, 1])
    assert made.groups is not None
    drawn = made.joint_draws(np.array([0]), 200, np.random.default_rng(0), serving=range(5), new_supports=[0])
    assert not (drawn & ~made.groups.slots.supports[0]).any()
    assert not made.without_contrast(drawn, range(5)).any()
    slots = draw_slots(3, 6, 4, 2, np.array([2]), 3)
    assert slots.supports[-1] == all_members(6)
