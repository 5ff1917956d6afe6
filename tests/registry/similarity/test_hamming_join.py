"""Near-duplicate search: the same pairs as comparing all with all, and bounded where that would be
too many.
"""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from registry.errors import UsageError
from registry.similarity.hamming_join import LARGEST_RADIUS, groups, near_pairs

Words = NDArray[np.uint64]


def random_words(count: int, rng: np.random.Generator) -> Words:
    return rng.integers(0, 2**64, (count, 4), dtype=np.uint64)


def flipped(word: Words, bits: NDArray[np.int64]) -> Words:
    """The word with these of its 256 bits changed."""
    changed = word.copy()
    for bit in bits.tolist():
        changed[bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
    return changed


def clustered_words(count: int, most_flips: int, seed: int) -> Words:
    """Words around few centres, some of them equal."""
    rng = np.random.default_rng(seed)
    centres = random_words(max(1, count // 4), rng)
    return np.array(
        [
            flipped(
                centres[rng.integers(len(centres))], rng.choice(256, rng.integers(0, most_flips + 1), replace=False)
            )
            for _ in range(count)
        ],
        dtype=np.uint64,
    ).reshape(-1, 4)


def all_with_all(words: Words, new_from: int, radius: int) -> list[tuple[int, int, int]]:
    """The same by comparing all: equal words with the first of them, other pairs for first ones
    only.
    """
    rows = [int.from_bytes(row.tobytes(), "little") for row in words]
    first = [rows.index(row) for row in rows]
    found = []
    for j, row in enumerate(rows):
        for i in range(j):
            distance = (rows[i] ^ row).bit_count()
            if first[i] != i or distance > radius:
                continue
            if (distance == 0 or first[j] == j) and j >= new_from:
                found.append((i, j, distance))
    return sorted(found)


@pytest.mark.slow
@given(
    count=st.integers(0, 60),
    flips=st.integers(0, 60),
    radius=st.integers(0, LARGEST_RADIUS),
    known=st.integers(0, 60),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=300, deadline=None)
def test_finds_what_comparing_all_with_all_finds(count: int, flips: int, radius: int, known: int, seed: int) -> None:
    """For every radius, with and without registered words, the pairs are exactly those of brute
    force.
    """
    words = clustered_words(count, flips, seed)
    known = min(known, count)
    result = near_pairs(words, known, radius)
    assert [tuple(row) for row in result.pairs.tolist()] == all_with_all(words, known, radius)
    assert result.skipped == 0


@pytest.mark.parametrize("radius", range(LARGEST_RADIUS + 1))
def test_finds_a_pair_at_the_radius_wherever_its_bits_are(radius: int) -> None:
    """A pair at exactly the radius is found, with its bits in a run, evenly spread or at random;
    one bit more is not.
    """
    rng = np.random.default_rng(radius)
    word = random_words(1, rng)[0]
    spread = np.linspace(0, 255, radius + 1).astype(np.int64)
    for bits in (np.arange(radius + 1) + 100, spread, *(rng.choice(256, radius + 1, replace=False) for _ in range(20))):
        inside = near_pairs(np.array([word, flipped(word, bits[:-1])]), 0, radius)
        outside = near_pairs(np.array([word, flipped(word, bits)]), 0, radius)
        assert inside.pairs.tolist() == [[0, 1, radius]]
        assert outside.pairs.tolist() == []


def test_registering_in_parts_finds_the_same_groups() -> None:
    """Adding words in three lots joins the same groups as searching all at once."""
    words = clustered_words(300, 20, seed=1)
    parts = [near_pairs(words[:end], start, 31).pairs for start, end in ((0, 100), (100, 180), (180, 300))]
    together = near_pairs(words, 0, 31).pairs
    assert [group.tolist() for group in groups(np.concatenate(parts))] == [group.tolist() for group in groups(together)]


def test_many_equal_words_cost_nothing_much() -> None:
    """Fifty thousand equal words are one star of pairs, not a billion pairs, and nothing is left
    out.
    """
    words = np.tile(random_words(1, np.random.default_rng(0)), (50_000, 1))
    result = near_pairs(words, 0, 31)
    assert result.skipped == 0
    assert len(result.pairs) == 49_999
    assert not result.pairs[:, 0].any()
    assert [len(group) for group in groups(result.pairs)] == [50_000]


@pytest.mark.slow
def test_a_crowded_key_is_bounded_and_told() -> None:
    """Words that all share keys are compared with so many before them only; the rest is counted,
    and the group still holds.
    """
    rng = np.random.default_rng(0)
    centre = random_words(1, rng)[0]
    words = np.array([flipped(centre, rng.choice(256, 6, replace=False)) for _ in range(3_000)])
    result = near_pairs(words, 0, 12, bucket_limit=16)
    assert result.skipped > 0
    assert len(result.pairs) < 3_000 * 16 * 30
    assert [len(group) for group in groups(result.pairs)] == [3_000]


@pytest.mark.slow
def test_cost_grows_with_the_number_of_words() -> None:
    """Eight times the words take nowhere near 64 times as long."""
    rng = np.random.default_rng(0)
    seconds = []
    for count in (10_000, 80_000):
        words = random_words(count, rng)
        start = time.process_time()
        near_pairs(words, 0, 31)
        seconds.append(time.process_time() - start)
    assert seconds[1] < 32 * seconds[0]


@given(st.integers(1, 60), st.integers(0, 60), st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_groups_are_the_connected_components(nodes: int, edges: int, seed: int) -> None:
    """Groups are those that walking from neighbour to neighbour finds."""
    rng = np.random.default_rng(seed)
    pairs = rng.integers(0, nodes, (edges, 2)) * 7
    reach = {int(node): {int(node)} for node in pairs.ravel()}
    for a, b in pairs.tolist():
        union = reach[a] | reach[b]
        for node in union:
            reach[node] = union
    expected = sorted({tuple(sorted(group)) for group in reach.values()})
    assert [tuple(group.tolist()) for group in groups(pairs)] == expected


def test_a_long_chain_is_one_group() -> None:
    """Groups are joined along any length, in any order of the pairs."""
    chain = np.column_stack([np.arange(50_000), np.arange(1, 50_001)])
    assert [len(group) for group in groups(np.random.default_rng(0).permutation(chain))] == [50_001]


@pytest.mark.parametrize(
    ("words", "new_from", "radius", "limit"),
    [
        (np.zeros((3, 3), dtype=np.uint64), 0, 1, 1),
        (np.zeros(4, dtype=np.uint64), 0, 1, 1),
        (np.zeros((3, 4), dtype=np.int64), 0, 1, 1),
        (np.zeros((3, 4), dtype=np.uint64), 4, 1, 1),
        (np.zeros((3, 4), dtype=np.uint64), -1, 1, 1),
        (np.zeros((3, 4), dtype=np.uint64), 0, LARGEST_RADIUS + 1, 1),
        (np.zeros((3, 4), dtype=np.uint64), 0, -1, 1),
        (np.zeros((3, 4), dtype=np.uint64), 0, 1, 0),
    ],
)
def test_wrong_arguments_are_refused(words: Words, new_from: int, radius: int, limit: int) -> None:
    """What cannot be searched exactly is an error, not a wrong answer."""
    with pytest.raises(UsageError):
        near_pairs(words, new_from, radius, limit)
