"""Codes in groups of equal high bits, so that one bound can rule out a whole group.

Built once per encoding; each output's Gram matrix then reads only the groups that it must.

* :func:`group_codes`: codes that are stored. Units keep their numbers.
* :func:`group_law`: all words of n bits with h ones, without storing them: the groups whose tails
  have equally many ones share one list of tails.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np

from attribution.ablation.scan.arrays import Groups
from attribution.ablation.scan.loops import sort_into_groups, weigh_heads
from attribution.ablation.scan.tables import NARROW
from registry.encodings.words import MAX_MEMBERS, Words
from registry.errors import CapacityError, UsageError

CODES_OF_A_GROUP = 1024
"""On average, at least: bounds and tables of smaller groups cost more than they save."""
MOST_HEAD_BITS = 24
"""Bounds the number of groups."""
LONGEST_LAW = MOST_HEAD_BITS + NARROW
"""Members of a law whose words can be grouped."""


@dataclass(frozen=True, eq=False)
class CodeGroups:
    """Codes by their high bits."""

    n: int
    low: int
    """Bits below the high ones."""
    groups: Groups
    count: int

    @property
    def of_law(self) -> bool:
        """Whether these are all words of a law, which have units by number."""
        return not len(self.groups.numbers)


def group_codes(codes: Words, n: int, serving: int) -> CodeGroups:
    """Group the codes of units 0, 1, 2 and so on; memory: 16 bytes per code at most.

    ``serving``: the word of the members in service.

    Raises:
        UsageError: a code has more than n bits.
    """
    head_bits = min(MOST_HEAD_BITS, n - 1, max(1, (len(codes) // CODES_OF_A_GROUP).bit_length() - 1))
    low = n - head_bits
    if n < MAX_MEMBERS and len(codes) and int(codes.max()) >> n:
        raise UsageError(f"got the code {int(codes.max()):#x}, expected {n} bits")
    counts = np.zeros(1 << head_bits, dtype=np.int64)
    lightest, heaviest = weigh_heads(codes, low, np.uint64(serving), counts)
    tails = np.empty(len(codes), dtype=_smallest(low))
    numbers = np.empty(len(codes), dtype=np.uint32 if len(codes) <= 1 << 32 else np.int64)
    starts = np.cumsum(counts) - counts
    sort_into_groups(codes, low, starts.copy(), tails, numbers)
    there = np.flatnonzero(counts)
    groups = Groups(
        there.astype(np.uint64),
        starts[there],
        starts[there] + counts[there],
        tails,
        numbers,
        int(lightest),
        int(heaviest),
    )
    return CodeGroups(n, low, groups, len(codes))


def group_law(n: int, h: int, serving: int) -> CodeGroups:
    """Group all words of n bits with h ones; memory: 2^(n/2) words, at most 128 MiB.

    Raises:
        CapacityError: there are more than :data:`LONGEST_LAW` members.
    """
    if n > LONGEST_LAW:
        raise CapacityError(f"got {n} members, expected at most {LONGEST_LAW} to search all codes")
    low = max(1, min(NARROW, n // 2), n - MOST_HEAD_BITS)
    heads, tails = np.arange(1 << (n - low), dtype=np.uint64), np.arange(1 << low, dtype=np.uint32)
    weights, needed = np.bitwise_count(tails), h - np.bitwise_count(heads).astype(np.int64)
    possible = (needed >= 0) & (needed <= low)
    heads, needed = heads[possible], needed[possible]
    ends = np.cumsum([comb(low, weight) for weight in range(low + 1)])
    starts = ends - [comb(low, weight) for weight in range(low + 1)]
    members = bin(serving).count("1")
    groups = Groups(
        heads,
        starts[needed],
        ends[needed],
        tails[np.argsort(weights, kind="stable")].astype(_smallest(low)),
        np.empty(0, dtype=np.uint32),
        max(0, h - (n - members)),
        min(h, members),
    )
    return CodeGroups(n, low, groups, comb(n, h))


def _smallest(bits: int) -> type[np.uint16 | np.uint32 | np.uint64]:
    return np.uint16 if bits <= 16 else np.uint32 if bits <= 32 else np.uint64
