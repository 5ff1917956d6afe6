"""Constant-weight codes: the members that train on a unit, by (seed, n, h, unit number).

Every unit gets its own word of n bits with exactly h ones, drawn uniformly without replacement.
Distinct words of equal weight never contain one another. So leaving out the members that saw one
unit never leaves out all members that saw another unit: ablation erases exactly one unit (TDA,
Definition 1 of the encoded ensemble).

Unit number k gets the word of rank P(k). Both steps can be inverted, so no codebook is stored:

* P is a keyed permutation of 0 .. C(n,h)-1, by the swap-or-not shuffle (Hoang, Morris, Rogaway: "An
  Enciphering Scheme Based on a Card Shuffle", CRYPTO 2012, arXiv 1208.1176). It works for any size,
  from 6 to 1.8e18. A Feistel network would need a power of two and rejection, and permutes small
  sizes poorly.
* The word of a rank follows from the combinatorial number system: bits p_1 < ... < p_h have rank
  sum_j C(p_j, j).

Decoys are the words of the numbers after the last unit.

>>> codes = codes_of(0, 4, 2, np.arange(6))
>>> sorted(f"{code:04b}" for code in codes.tolist())
['0011', '0101', '0110', '1001', '1010', '1100']
>>> numbers_of(0, 4, 2, codes).tolist()
[0, 1, 2, 3, 4, 5]
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from math import ceil, comb
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from registry.errors import CapacityError, UsageError

MAX_MEMBERS = 64
"""A code is one unsigned 64-bit integer; every C(n, h) up to here is below 2**63."""

Words: TypeAlias = NDArray[np.uint64]

_BINOMIAL = np.array([[comb(p, j) for j in range(MAX_MEMBERS + 1)] for p in range(MAX_MEMBERS)], dtype=np.uint64)
_BLOCK = 1 << 14  # numbers that are shuffled together: small enough to stay in the processor's cache


def capacity(n: int, h: int) -> int:
    """C(n, h): how many units an encoding can hold.

    Raises:
        UsageError: n is not in 2..64, or h is not in 1..n-1 (units need members with and without).
    """
    if not 2 <= n <= MAX_MEMBERS:
        raise UsageError(f"got {n} members, expected 2 to {MAX_MEMBERS}")
    if not 1 <= h <= n - 1:
        raise UsageError(f"got weight {h} for {n} members, expected 1 to {n - 1}")
    return comb(n, h)


def codes_of(seed: int, n: int, h: int, numbers: Sequence[int] | NDArray[np.integer]) -> Words:
    """The codes of these unit numbers, in order; bit i (value 2**i) set: member i trains on it.

    Raises:
        CapacityError: a number is not in 0 .. C(n,h)-1.
    """
    size = capacity(n, h)
    places = np.asarray(numbers)
    if places.size and not (int(places.min()) >= 0 and int(places.max()) < size):
        raise CapacityError(
            f"got unit numbers {int(places.min())} to {int(places.max())}, expected 0 to {size - 1}: that is all that "
            f"{n} members with weight {h} hold; use more members"
        )
    ranks = _shuffle(places.astype(np.uint64).ravel(), size, "codes", seed, n, h)
    return _words_of_ranks(ranks, n, h)


def numbers_of(seed: int, n: int, h: int, codes: Sequence[int] | Words) -> NDArray[np.int64]:
    """The unit numbers that have these codes: the inverse of :func:`codes_of`.

    Raises:
        UsageError: a code has not exactly h of its n bits set.
    """
    size = capacity(n, h)
    words = np.asarray(codes, dtype=np.uint64).ravel()
    wrong = np.bitwise_count(words) != h
    if n < MAX_MEMBERS:
        wrong |= words >= np.uint64(1 << n)
    if wrong.any():
        raise UsageError(f"got the code {int(words[wrong][0]):#x}, expected {n} bits with {h} set")
    ranks = _ranks_of_words(words, n)
    return _shuffle(ranks, size, "codes", seed, n, h, backwards=True).astype(np.int64)


def bits(codes: Sequence[int] | Words, n: int) -> NDArray[np.bool_]:
    """Membership, shape (units, n): whether member i trains on the unit."""
    words = np.asarray(codes, dtype=np.uint64).reshape(-1, 1)
    return (words >> np.arange(n, dtype=np.uint64) & np.uint64(1)).astype(np.bool_)


def decoys(seed: int, n: int, h: int, unit_count: int, limit: int, *, draw_seed: int) -> Words:
    """Codes without a unit: all if at most ``limit``, else ``limit`` drawn without replacement.

    Raises:
        CapacityError: there are more units than codes.
    """
    available = decoys_available(n, h, unit_count)
    drawn = np.arange(max(0, min(limit, available)), dtype=np.uint64)
    if available > limit:
        drawn = _shuffle(drawn, available, "decoys", draw_seed, n, h)
    return codes_of(seed, n, h, drawn + np.uint64(unit_count))


def decoys_available(n: int, h: int, unit_count: int) -> int:
    """C(n,h) minus the units.

    Raises:
        CapacityError: there are more units than codes.
    """
    size = capacity(n, h)
    if unit_count > size:
        raise CapacityError(
            f"got {unit_count} units, but {n} members with weight {h} have codes for {size}; "
            f"use {members_needed(unit_count)} members or more"
        )
    return size - unit_count


def members_needed(unit_count: int) -> int:
    """The smallest n for which C(n, floor(n/2)) holds this many units.

    Raises:
        CapacityError: no encoding holds as many.
    """
    if unit_count > (most := comb(MAX_MEMBERS, MAX_MEMBERS // 2)):
        raise CapacityError(f"got {unit_count} units, but {MAX_MEMBERS} members, the most there can be, hold {most}")
    return next(n for n in range(2, MAX_MEMBERS + 1) if comb(n, n // 2) >= unit_count)


def withdrawals_guaranteed(n: int, h: int) -> int:
    """How many units, for any choice, leave a member when left out: k units hit <= kh members."""
    return ceil(n / h) - 1


def _words_of_ranks(ranks: Words, n: int, h: int) -> Words:
    rest = ranks.copy()
    left = np.full(ranks.shape, h, dtype=np.intp)
    words = np.zeros(ranks.shape, dtype=np.uint64)
    for p in range(n - 1, -1, -1):
        below = _BINOMIAL[p][left]  # words with the remaining ones all below p
        chosen = rest >= below
        rest -= below * chosen
        left -= chosen
        words |= chosen.astype(np.uint64) << np.uint64(p)
    return words


def _ranks_of_words(words: Words, n: int) -> Words:
    ranks = np.zeros(words.shape, dtype=np.uint64)
    ones = np.zeros(words.shape, dtype=np.intp)
    for p in range(n):
        chosen = (words >> np.uint64(p) & np.uint64(1)).astype(np.bool_)
        ones += chosen
        ranks += _BINOMIAL[p][ones] * chosen
    return ranks


def _shuffle(values: Words, size: int, purpose: str, seed: int, n: int, h: int, *, backwards: bool = False) -> Words:
    """A permutation of 0 .. size-1, keyed by the last four arguments and applied to ``values``.

    Each round pairs x with (K - x) mod size and swaps the pair or not, by one pseudorandom bit of
    the pair. A round is its own inverse, so the reverse order undoes the shuffle. The paper's bound
    needs 6 log2(size) rounds; 32 more are for the smallest sizes.
    """
    rounds = 6 * size.bit_length() + 32
    # The key is hashed as Python writes it, and a NumPy integer is written differently from an int.
    key = (purpose, int(seed), int(n), int(h))
    # 128 bits choose K: the remainder of 64 would favour small K at large sizes. 64 key the coin.
    digests = [hashlib.sha256(repr((key, number)).encode()).digest() for number in range(rounds)]
    partners = np.array([int.from_bytes(digest[:16], "big") % size for digest in digests], dtype=np.uint64)
    keys = np.array([int.from_bytes(digest[16:24], "big") for digest in digests], dtype=np.uint64)
    order = range(rounds - 1, -1, -1) if backwards else range(rounds)
    shuffled = values.copy()
    for start in range(0, shuffled.size, _BLOCK):
        block = shuffled[start : start + _BLOCK]
        partner, mixed, spare = np.empty_like(block), np.empty_like(block), np.empty_like(block)
        for number in order:
            np.subtract(partners[number] + np.uint64(size), block, out=partner)
            np.subtract(partner, np.uint64(size), out=spare)  # wraps to a huge number where partner < size
            np.minimum(partner, spare, out=partner)
            np.maximum(block, partner, out=mixed)
            mixed ^= keys[number]
            _mix(mixed, spare)
            swap = (mixed.view(np.int64) >> 63).view(np.uint64)  # all ones where the highest bit is set
            partner ^= block
            partner &= swap
            block ^= partner
    return shuffled


def _mix(values: Words, spare: Words) -> None:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014) in place, without its last step.

    The last step leaves the highest bit as it is. Only that bit is used, and every input bit
    changes it half the time.
    """
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        np.right_shift(values, np.uint64(shift), out=spare)
        values ^= spare
        values *= np.uint64(factor)
