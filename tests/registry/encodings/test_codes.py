"""Codes: distinct words of equal weight, a permutation that can be undone, decoys that no unit has
(E1).
"""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from registry.encodings import codes
from registry.encodings.words import bits, per_member, words_of_bits, words_of_ranks
from registry.errors import CapacityError, UsageError

SMALL = [(n, h) for n in range(2, 10) for h in range(1, n)]
GOLDEN_10_5 = [361, 527, 541, 563, 681, 557]
GOLDEN_64_32 = [12100053717081022024, 11591915211503054584]
ANY_SIZE = st.integers(2, 64).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n - 1)))


@pytest.mark.parametrize(("n", "h"), SMALL)
def test_no_code_of_a_full_encoding_contains_another(n: int, h: int) -> None:
    """E1: S(x) minus S(x') is never empty, over all pairs of all C(n,h) units."""
    words = codes.codes_of(7, n, h, np.arange(comb(n, h)))
    outside = words[:, None] & ~words[None, :]
    np.fill_diagonal(outside, 1)
    assert (outside != 0).all()


@given(ANY_SIZE, st.integers(-(2**63), 2**63 - 1), st.data())
@settings(max_examples=60, deadline=None)
def test_codes_are_distinct_words_of_equal_weight_and_can_be_inverted(
    size: tuple[int, int], seed: int, data: st.DataObject
) -> None:
    """For any n, h and seed, and any units up to the last one that the encoding holds."""
    n, h = size
    last = comb(n, h) - 1
    drawn = data.draw(st.lists(st.integers(0, last), unique=True, max_size=30))
    numbers = list(dict.fromkeys([*drawn, 0, last]))
    words = codes.codes_of(seed, n, h, numbers)
    assert len(set(words.tolist())) == len(numbers)
    assert all(word.bit_count() == h and word < 2**n for word in words.tolist())
    assert codes.numbers_of(seed, n, h, words).tolist() == numbers


@pytest.mark.parametrize(("n", "h"), [(2, 1), (5, 2), (10, 5), (13, 4)])
def test_all_numbers_together_get_all_words(n: int, h: int) -> None:
    """The permutation is a bijection on exactly 0 .. C(n,h)-1."""
    words = codes.codes_of(3, n, h, np.arange(comb(n, h)))
    expected = [word for word in range(2**n) if word.bit_count() == h]
    assert sorted(words.tolist()) == expected


def test_a_numpy_integer_gives_the_codes_of_the_equal_python_int() -> None:
    """Seed, n and h may come from an array: their type does not choose other codes."""
    seed, n, h = np.int64(5), np.int64(10), np.int32(5)
    words = codes.codes_of(5, 10, 5, [0, 1, 2])
    assert codes.codes_of(seed, n, h, [0, 1, 2]).tolist() == words.tolist() == [597, 372, 737]  # type: ignore[arg-type]
    assert codes.numbers_of(seed, n, h, words).tolist() == [0, 1, 2]  # type: ignore[arg-type]
    drawn = codes.decoys(seed, n, h, 3, 4, draw_seed=np.int64(2))  # type: ignore[arg-type]
    assert drawn.tolist() == codes.decoys(5, 10, 5, 3, 4, draw_seed=2).tolist()


@given(st.integers(1, 64).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.integers(0, 2**n - 1), max_size=9))))
def test_words_and_their_bits_are_inverse(sized: tuple[int, list[int]]) -> None:
    """Any number of members, no word at all too."""
    n, words = sized
    assert words_of_bits(bits(words, n)).tolist() == words


@given(st.integers(2, 64), st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**40)), max_size=20))
@settings(max_examples=60, deadline=None)
def test_members_are_counted_without_their_bits(n: int, units: list[tuple[int, int]]) -> None:
    """As the product with the bits of the codes; bits beyond the members do not count."""
    words = np.array([code for code, _ in units], np.uint64)
    values = np.array([value for _, value in units], np.int64)
    assert per_member(words, values, n).tolist() == (values @ bits(words, n)).tolist()


def test_ranks_are_those_of_the_combinatorial_number_system() -> None:
    """The words in order of rank are the words in order of value, which defines the system."""
    words = words_of_ranks(np.arange(comb(9, 4), dtype=np.uint64), 9, 4)
    assert words.tolist() == [word for word in range(2**9) if word.bit_count() == 4]
    last = words_of_ranks(np.array([comb(64, 32) - 1], dtype=np.uint64), 64, 32)
    assert int(last[0]) == (2**32 - 1) << 32


def test_a_code_depends_on_seed_size_and_number_alone() -> None:
    """Not on which other units are asked for, nor on their order; and another seed is another
    assignment.
    """
    together = codes.codes_of(1, 20, 10, np.arange(1000))
    apart = np.concatenate([codes.codes_of(1, 20, 10, [number]) for number in (999, 5)])
    assert apart.tolist() == together[[999, 5]].tolist()
    assert (codes.codes_of(2, 20, 10, np.arange(1000)) != together).mean() > 0.99


def test_codes_never_change() -> None:
    """An encoding is evidence: these values were computed when the construction was settled."""
    assert codes.codes_of(0, 10, 5, range(6)).tolist() == GOLDEN_10_5
    assert codes.codes_of(-1, 64, 32, [0, comb(64, 32) - 1]).tolist() == GOLDEN_64_32


@pytest.mark.slow
def test_every_assignment_is_as_likely_as_every_other() -> None:
    """Over seeds, all 3! orders of the words of (3, 1) occur equally often; so do all 6! of (4, 2),
    by chi-square.
    """
    orders = Counter(tuple(codes.codes_of(seed, 3, 1, range(3)).tolist()) for seed in range(1200))
    assert set(orders) == set(permutations([1, 2, 4]))
    assert stats.chisquare(list(orders.values())).pvalue > 1e-4
    orders = Counter(tuple(codes.codes_of(seed, 4, 2, range(6)).tolist()) for seed in range(3600))
    counts = [*orders.values(), *[0] * (720 - len(orders))]
    assert stats.chisquare(counts).pvalue > 1e-4


def test_every_member_sees_its_share_and_pairs_of_members_theirs() -> None:
    """Bits are balanced and as correlated as drawing h of n without replacement makes them."""
    membership = bits(codes.codes_of(5, 24, 12, np.arange(40_000)), 24).astype(float)
    assert np.abs(membership.mean(axis=0) - 0.5).max() < 5 * 0.5 / 200
    off_diagonal = np.corrcoef(membership.T)[~np.eye(24, dtype=bool)]
    assert np.abs(off_diagonal + 1 / 23).max() < 5 / 200


def test_over_capacity_is_refused_with_the_number_of_members_that_would_do() -> None:
    """More units than codes: for single numbers and for whole encodings."""
    with pytest.raises(CapacityError, match="expected 0 to 251"):
        codes.codes_of(0, 10, 5, [252])
    with pytest.raises(CapacityError, match="use 11 members or more"):
        codes.decoys_available(10, 5, 253)
    assert codes.decoys_available(10, 5, 252) == 0
    assert codes.members_needed(comb(64, 32)) == 64
    with pytest.raises(CapacityError, match="64 members, the most there can be"):
        codes.members_needed(comb(64, 32) + 1)


@pytest.mark.parametrize(("n", "h"), [(1, 1), (65, 32), (4, 0), (4, 4), (0, 0)])
def test_impossible_sizes_are_refused(n: int, h: int) -> None:
    """Every unit needs members with it and members without it, and a code has 64 bits."""
    with pytest.raises(UsageError):
        codes.capacity(n, h)


@pytest.mark.parametrize("word", [0b1, 0b111, 1 << 10 | 1])
def test_a_word_that_is_no_code_has_no_number(word: int) -> None:
    """Wrong weight, or a bit beyond the members."""
    with pytest.raises(UsageError, match="10 bits with 2 set"):
        codes.numbers_of(0, 10, 2, [word])


@given(st.integers(2, 12), st.integers(0, 2**32), st.integers(0, 60), st.integers(0, 80))
@settings(max_examples=60, deadline=None)
def test_decoys_are_distinct_codes_of_no_unit(n: int, seed: int, units: int, limit: int) -> None:
    """As many as asked for, or all that there are."""
    h = n // 2
    units = min(units, comb(n, h))
    drawn = codes.decoys(seed, n, h, units, limit, draw_seed=1).tolist()
    taken = set(codes.codes_of(seed, n, h, np.arange(units)).tolist())
    assert len(drawn) == len(set(drawn)) == min(limit, comb(n, h) - units)
    assert not taken & set(drawn)
    assert all(word.bit_count() == h for word in drawn)


def test_decoys_of_the_largest_encoding_are_drawn_from_all_of_it() -> None:
    """C(64,32) - N does not fit a draw by listing; the draw spreads over the whole range and
    depends on its seed.
    """
    first = codes.decoys(0, 64, 32, 1000, 2000, draw_seed=1)
    numbers = codes.numbers_of(0, 64, 32, first)
    assert int(numbers.min()) >= 1000
    assert stats.kstest(numbers / comb(64, 32), "uniform").pvalue > 1e-4
    assert codes.decoys(0, 64, 32, 1000, 2000, draw_seed=1).tolist() == first.tolist()
    assert not set(codes.decoys(0, 64, 32, 1000, 2000, draw_seed=2).tolist()) & set(first.tolist())


@pytest.mark.parametrize(("n", "h"), [(n, h) for n, h in SMALL if n <= 7])
def test_guaranteed_withdrawals_leave_a_member_whatever_the_units_are(n: int, h: int) -> None:
    """And with one more unit there is a choice that leaves none: the bound is tight."""
    words = codes.codes_of(0, n, h, np.arange(comb(n, h))).tolist()
    unions = set(words)
    guaranteed = codes.withdrawals_guaranteed(n, h)
    for _ in range(guaranteed - 1):
        unions = {union | word for union in unions for word in words}
    assert (2**n - 1) not in unions
    assert (2**n - 1) in {union | word for union in unions for word in words}
