"""Words: n bits with h ones, in the order of the combinatorial number system.

Bits p_1 < ... < p_h have rank sum_j C(p_j, j), so the words in order of rank are the words in order
of value. A word is one unsigned 64-bit integer; bit i has the value 2**i.

>>> [f"{word:04b}" for word in words_of_ranks(np.arange(6, dtype=np.uint64), 4, 2).tolist()]
['0011', '0101', '0110', '1001', '1010', '1100']
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from registry.errors import UsageError

MAX_MEMBERS = 64
"""A code is one unsigned 64-bit integer; every C(n, h) up to here is below 2**63."""

Words: TypeAlias = NDArray[np.uint64]

BINOMIALS = np.array([[comb(p, j) for j in range(MAX_MEMBERS + 1)] for p in range(MAX_MEMBERS)], dtype=np.uint64)


_AT_ONCE = 1 << 20


def check_size(n: int, h: int) -> None:
    """Check that every unit can have members with it and members without it.

    Raises:
        UsageError: n is not in 2..64, or h is not in 1..n-1.
    """
    if not 2 <= n <= MAX_MEMBERS:
        raise UsageError(f"got {n} members, expected 2 to {MAX_MEMBERS}")
    if not 1 <= h <= n - 1:
        raise UsageError(f"got weight {h} for {n} members, expected 1 to {n - 1}")


def bits(codes: Sequence[int] | Words, n: int) -> NDArray[np.bool_]:
    """Membership, shape (units, n): whether member i trains on the unit."""
    words = np.asarray(codes, dtype=np.uint64).reshape(-1, 1)
    return (words >> np.arange(n, dtype=np.uint64) & np.uint64(1)).astype(np.bool_)


def per_member(codes: Words, values: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Shape (n,): for each member, the sum of the values of the units that it trains on.

    The same as ``values @ bits(codes, n)``, in the memory of a few words per unit of a block.
    """
    found = np.zeros(n, np.int64)
    for start in range(0, len(codes), _AT_ONCE):
        words, weights = codes[start : start + _AT_ONCE], values[start : start + _AT_ONCE]
        found += [(words >> np.uint64(i) & np.uint64(1)).astype(np.int64) @ weights for i in range(n)]
    return found


def words_of_bits(membership: NDArray[np.bool_]) -> Words:
    """The inverse of :func:`bits`: one word per row of at most 64 columns.

    >>> words_of_bits(np.array([[True, False, True]])).tolist()
    [5]
    """
    octets = np.zeros((len(membership), MAX_MEMBERS // 8), dtype=np.uint8)
    packed = np.packbits(membership, axis=1, bitorder="little")
    octets[:, : packed.shape[1]] = packed
    return octets.view("<u8").astype(np.uint64, copy=False).ravel()


def all_members(n: int) -> np.uint64:
    """The word with all n bits set."""
    return np.uint64((1 << n) - 1)


def words_of_ranks(ranks: Words, n: int, h: int) -> Words:
    """The words of n bits with h ones that have these ranks."""
    rest = ranks.copy()
    left = np.full(ranks.shape, h, dtype=np.intp)
    words = np.zeros(ranks.shape, dtype=np.uint64)
    for p in range(n - 1, -1, -1):
        below = BINOMIALS[p][left]  # words with the remaining ones all below p
        chosen = rest >= below
        rest -= below * chosen
        left -= chosen
        words |= chosen.astype(np.uint64) << np.uint64(p)
    return words


def ranks_of_words(words: Words, n: int) -> Words:
    """The inverse of :func:`words_of_ranks`."""
    ranks = np.zeros(words.shape, dtype=np.uint64)
    ones = np.zeros(words.shape, dtype=np.intp)
    for p in range(n):
        chosen = (words >> np.uint64(p) & np.uint64(1)).astype(np.bool_)
        ones += chosen
        ranks += BINOMIALS[p][ones] * chosen
    return ranks


def spread(words: Words, supports: Words, n: int) -> Words:
    """Put bit j of each word at the j-th lowest one of its support; both have the same shape.

    >>> word, support = np.array([[0b101], [0b11010]], dtype=np.uint64)
    >>> f"{spread(word, support, 5)[0]:05b}"
    '10010'
    """
    rest = words.copy()
    found = np.zeros(words.shape, dtype=np.uint64)
    for p in range(n):
        inside = supports >> np.uint64(p) & np.uint64(1)
        found |= (rest & inside) << np.uint64(p)
        rest >>= inside
    return found
