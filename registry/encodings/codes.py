"""Plain codes: the members that train on a unit, by (seed, n, h, unit number).

Every unit gets its own word of n bits with exactly h ones, drawn uniformly without replacement.
Distinct words of equal weight never contain one another. So leaving out the members that saw one
unit never leaves out all members that saw another unit: ablation erases exactly one unit (TDA,
Definition 1 of the encoded ensemble).

With h = n/2 the complement of a word has the same weight. The contrast between the members with and
without a unit changes its sign under the complement: what one unit pulls, the other would push, so
a unit could pass the test because the source of an image had the mirrored code. Codes of format 2
therefore come from one word of each complementary pair, chosen by a coin of the pair. Decoys come
from the same words. No other weight has complements.

Unit number k gets the word of place P(k). Both steps can be inverted, so no codebook is stored:

* P is a keyed permutation of all places, by the swap-or-not shuffle (Hoang, Morris, Rogaway: "An
  Enciphering Scheme Based on a Card Shuffle", CRYPTO 2012, arXiv 1208.1176). It works for any size,
  from 2 to 1.8e18. A Feistel network would need a power of two and rejection, and permutes small
  sizes poorly.
* The word of a place follows from the combinatorial number system
  (:mod:`registry.encodings.words`), and for h = n/2 from the coin.

Decoys are the words of the numbers after the last unit. Given the codes of all other units, a
unit's own code is uniform over itself and the decoys, since P is drawn uniformly.

Default: format 1, in which the measurements of ``benchmarks/results`` were made. An encoding names
its format (:mod:`registry.encodings.assignment`). The bytes are in ``docs/codes.md``.

>>> codes = codes_of(0, 4, 1, np.arange(4), 2)
>>> sorted(f"{code:04b}" for code in codes.tolist())
['0001', '0010', '0100', '1000']
>>> numbers_of(0, 4, 1, codes, 2).tolist()
[0, 1, 2, 3]
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, comb

import numpy as np
from numpy.typing import NDArray

from registry.encodings.keys import CODE_FORMAT, FIRST_FORMAT, digest, integers_of, mix
from registry.encodings.words import (
    MAX_MEMBERS,
    Words,
    all_members,
    check_size,
    ranks_of_words,
    spread,
    words_of_ranks,
)
from registry.errors import CapacityError, UsageError

_BLOCK = 1 << 14  # numbers that are shuffled together: small enough to stay in the processor's cache
_COIN = np.uint64(63)


def capacity(n: int, h: int, code_format: int = FIRST_FORMAT) -> int:
    """How many units an encoding can hold: C(n, h), and half of it where words have complements.

    Raises:
        UsageError: n is not in 2..64, or h is not in 1..n-1 (units need members with and without).
    """
    check_size(n, h)
    return comb(n, h) // 2 if halved(n, h, code_format) else comb(n, h)


def default_weight(n: int) -> int:
    """The largest weight below half of the members: the most codes, and no complements.

    For even n, C(n, n/2 - 1) exceeds the C(n, n/2) / 2 codes of weight n/2, and costs less.
    """
    return max(1, (n - 1) // 2)


def codes_of(
    seed: int,
    n: int,
    h: int,
    numbers: Sequence[int] | NDArray[np.integer],
    code_format: int = FIRST_FORMAT,
) -> Words:
    """The codes of these unit numbers, in order; bit i (value 2**i) set: member i trains on it.

    Raises:
        CapacityError: a number is not in 0 .. capacity - 1.
    """
    size = capacity(n, h, code_format)
    places = np.asarray(numbers)
    if places.size and not (int(places.min()) >= 0 and int(places.max()) < size):
        raise CapacityError(
            f"got unit numbers {int(places.min())} to {int(places.max())}, expected 0 to {size - 1}: that is all that "
            f"{n} members with weight {h} hold; use more members"
        )
    shuffled = _shuffle(places.astype(np.uint64).ravel(), size, code_format, "codes", (seed, n, h))
    if not halved(n, h, code_format):
        return words_of_ranks(shuffled, n, h)
    return words_of_places(shuffled, n, h, np.full(shuffled.shape, all_members(n)), n, orientation_of(seed, n, n, h))


def numbers_of(
    seed: int, n: int, h: int, codes: Sequence[int] | Words, code_format: int = FIRST_FORMAT
) -> NDArray[np.int64]:
    """The unit numbers that have these codes: the inverse of :func:`codes_of`.

    Raises:
        UsageError: a code has not exactly h of its n bits set, or is the complement of a code.
    """
    size = capacity(n, h, code_format)
    words = np.asarray(codes, dtype=np.uint64).ravel()
    wrong = np.bitwise_count(words) != h
    if n < MAX_MEMBERS:
        wrong |= words >= np.uint64(1 << n)
    if wrong.any():
        raise UsageError(f"got the code {int(words[wrong][0]):#x}, expected {n} bits with {h} set")
    if halved(n, h, code_format):
        flipped = words >> np.uint64(n - 1) == 1
        named = np.where(flipped, words ^ all_members(n), words)
        mirrored = _coins(named, orientation_of(seed, n, n, h)) != flipped
        if mirrored.any():
            raise UsageError(f"got {int(words[mirrored][0]):#x}, the complement of a code of this encoding")
        words = named
    return _shuffle(ranks_of_words(words, n), size, code_format, "codes", (seed, n, h), backwards=True).astype(np.int64)


def decoys(
    seed: int, n: int, h: int, unit_count: int, limit: int, *, draw_seed: int, code_format: int = FIRST_FORMAT
) -> Words:
    """Codes without a unit: all if at most ``limit``, else ``limit`` drawn without replacement.

    Raises:
        CapacityError: there are more units than codes.
    """
    available = decoys_available(n, h, unit_count, code_format)
    drawn = np.arange(max(0, min(limit, available)), dtype=np.uint64)
    if available > limit:
        drawn = _shuffle(drawn, available, code_format, "decoys", (draw_seed, n, h))
    return codes_of(seed, n, h, drawn + np.uint64(unit_count), code_format)


def decoys_available(n: int, h: int, unit_count: int, code_format: int = FIRST_FORMAT) -> int:
    """The codes minus the units.

    Raises:
        CapacityError: there are more units than codes.
    """
    size = capacity(n, h, code_format)
    if unit_count > size:
        raise CapacityError(
            f"got {unit_count} units, but {n} members with weight {h} have codes for {size}; "
            f"use {members_needed(unit_count, code_format)} members or more"
        )
    return size - unit_count


def members_needed(unit_count: int, code_format: int = FIRST_FORMAT) -> int:
    """The smallest n that holds this many units, with the weight that has the most codes.

    Raises:
        CapacityError: no encoding holds as many.
    """

    def most(n: int) -> int:
        return comb(n, n // 2 if code_format == FIRST_FORMAT else default_weight(n))

    if unit_count > most(MAX_MEMBERS):
        raise CapacityError(
            f"got {unit_count} units, but {MAX_MEMBERS} members, the most there can be, hold {most(MAX_MEMBERS)}"
        )
    return next(n for n in range(2, MAX_MEMBERS + 1) if most(n) >= unit_count)


def withdrawals_guaranteed(n: int, h: int) -> int:
    """How many units, for any choice, leave a member when left out: k units hit <= kh members."""
    return ceil(n / h) - 1


def words_of_places(places: Words, m: int, h: int, supports: Words, n: int, orientation: int) -> Words:
    """Words of weight h within supports of m of the n members, by place; no two are complements.

    Args:
        places: below C(m, h), or below half of it where h = m/2.
        m: ones of each support.
        h: ones of each word.
        supports: shape of ``places``.
        n: number of members.
        orientation: keys the coins that choose between a word and its complement in the support.
    """
    if 2 * h != m:
        return spread(words_of_ranks(places, m, h), supports, n)
    # The words without the support's highest member name the pairs.
    named = spread(words_of_ranks(places, m - 1, h), supports, n)
    return np.where(_coins(named, orientation), named ^ supports, named)


def halved(n: int, h: int, code_format: int) -> bool:
    """Whether one word of each pair of complements is a code."""
    return code_format != FIRST_FORMAT and 2 * h == n


def orientation_of(seed: int, n: int, m: int, h: int) -> int:
    """The key of the coins that choose between complements within supports of m members."""
    return integers_of(digest(CODE_FORMAT, "orientation", seed, n, m, h))[0]


def _coins(named: Words, orientation: int) -> NDArray[np.bool_]:
    mixed = named ^ np.uint64(orientation)
    mix(mixed, np.empty_like(mixed))
    return np.asarray(mixed >> _COIN == 1)


def _round_keys(code_format: int, purpose: str, key: tuple[int, int, int], number: int, size: int) -> tuple[int, int]:
    """K below ``size``, and the key of the coin, of one round."""
    if code_format == FIRST_FORMAT:
        hashed = digest(code_format, purpose, *key, number)
        # 128 bits choose K: the remainder of 64 would favour small K at large sizes.
        return int.from_bytes(hashed[:16], "big") % size, integers_of(hashed)[2]
    attempt, unbiased = 0, 2**64 // size * size
    while True:
        chosen, coin, *_ = integers_of(digest(code_format, purpose, *key, number, attempt))
        if chosen < unbiased:
            return chosen % size, coin
        attempt += 1


def shuffle_of(seed: int, n: int, h: int, code_format: int = FIRST_FORMAT) -> tuple[Words, Words]:
    """K and the key of the coin of each round of P, for loops that are compiled."""
    return _rounds(capacity(n, h, code_format), code_format, "codes", (seed, n, h))


def _rounds(size: int, code_format: int, purpose: str, key: tuple[int, int, int]) -> tuple[Words, Words]:
    made = [_round_keys(code_format, purpose, key, number, size) for number in range(6 * size.bit_length() + 32)]
    chosen, coins = np.array(made, dtype=np.uint64).T
    return np.ascontiguousarray(chosen), np.ascontiguousarray(coins)


def _shuffle(
    values: Words, size: int, code_format: int, purpose: str, key: tuple[int, int, int], *, backwards: bool = False
) -> Words:
    """A permutation of 0 .. size-1, keyed by purpose and ``key`` and applied to ``values``.

    Each round pairs x with (K - x) mod size and swaps the pair or not, by one pseudorandom bit of
    the pair. A round is its own inverse, so the reverse order undoes the shuffle. The paper's bound
    needs 6 log2(size) rounds; 32 more are for the smallest sizes.
    """
    partners, keys = _rounds(size, code_format, purpose, key)
    order = range(len(keys) - 1, -1, -1) if backwards else range(len(keys))
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
            mix(mixed, spare)
            swap = (mixed.view(np.int64) >> 63).view(np.uint64)  # all ones where the highest bit is set
            partner ^= block
            partner &= swap
            block ^= partner
    return shuffled
