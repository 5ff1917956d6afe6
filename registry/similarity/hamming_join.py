"""Pairs of fingerprints that differ in few bits, and their groups, in less than quadratic time.

The search is exact. A fingerprint's 256 bits are dealt to bands; two words that differ in at most
``radius`` bits cannot differ in more than two bits in every band, as long as there are (radius + 1)
/ 3 bands (the pigeonhole principle, as in multi-index hashing: Norouzi, Punjani and Fleet, "Fast
Exact Search in Hamming Space with Multi-Index Hashing", 2014). Two keys that differ in at most two
bits have a common neighbour at one bit from each. So each band files every word under its key and
under each key one bit away, and words that meet are compared in full. With 31 bits and a million
words that is 24 entries a band, 11 bands and about three words a key: the cost grows with the
number of words, not its square, up to some millions.

Bits are dealt in turn, not in runs, as neighbouring bits of a perceptual hash are not independent.

Two limits bound the cost. Equal words are paired with the first of them only. If very many words
share a key, each is compared with those nearest before it; ``skipped`` counts the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.errors import UsageError

LARGEST_RADIUS = 40
LARGEST_COUNT = 2**32
BUCKET_LIMIT = 256
"""Preceding words that a word is compared with under one key."""

_BITS = 256
_WIDEST_BAND = 24
_BLOCK = 1 << 20


@dataclass(frozen=True)
class NearPairs:
    """Pairs of words within the radius."""

    pairs: NDArray[np.int64]
    """(P, 3): i, j and distance, with i < j, in ascending order of i and j."""
    skipped: int
    """Comparisons left out because too many words shared a key; 0 means an exact search."""


def near_pairs(words: NDArray[np.uint64], new_from: int, radius: int, bucket_limit: int = BUCKET_LIMIT) -> NearPairs:
    """Find all pairs within a Hamming distance, of which at least one word is new.

    Args:
        words: (N, 4), 256 bits a row.
        new_from: rows before this were searched among themselves already; 0 for none.
        radius: largest distance in bits, 0 to LARGEST_RADIUS.
        bucket_limit: words before it that a word is compared with under one key.

    Returns:
        Every such pair of different words. Of equal words, each later one is paired with the first,
        and pairs with other words are given for the first only.

    Raises:
        UsageError: words of another shape, or a number out of its range.
    """
    _check(words, new_from, radius, bucket_limit)
    first, pairs_of_equals = _collapse(words, new_from)
    columns = np.ascontiguousarray(words[first].T)
    first_new = int(np.searchsorted(first, new_from))
    found = np.empty(0, dtype=np.uint64)
    skipped = 0
    if first_new < len(first):
        for bits, expand in _bands(radius):
            in_band, left_out = _search_band(columns, first_new, radius, (bits, expand), bucket_limit)
            found = np.union1d(found, in_band)
            skipped += left_out
    low, high = (found >> np.uint64(32)).astype(np.int64), (found & np.uint64(0xFFFFFFFF)).astype(np.int64)
    near = np.column_stack([first[low], first[high], _distances(columns, low, high)])
    pairs = np.concatenate([pairs_of_equals, near])
    return NearPairs(pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))], skipped)


def groups(pairs: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Connected components of (P, 2 or more) pairs: ascending arrays, by their first row."""
    if not len(pairs):
        return []
    members, ends = np.unique(pairs[:, :2], return_inverse=True)
    left, right = ends.reshape(-1, 2).T
    root = np.arange(len(members))
    while True:
        a, b = root[left], root[right]
        if np.array_equal(a, b):
            break
        np.minimum.at(root, np.maximum(a, b), np.minimum(a, b))
        while not np.array_equal(root, shorter := root[root]):
            root = shorter
    order = np.argsort(root, kind="stable")
    return np.split(members[order], np.flatnonzero(np.diff(root[order])) + 1)


def _check(words: NDArray[np.uint64], new_from: int, radius: int, bucket_limit: int) -> None:
    if words.ndim != 2 or words.shape[1] != 4 or words.dtype != np.uint64 or len(words) >= LARGEST_COUNT:
        raise UsageError(f"expected words of shape (N, 4) and type uint64, got {words.shape} of {words.dtype}")
    if not 0 <= new_from <= len(words):
        raise UsageError(f"new_from is {new_from}; expected 0 to {len(words)}")
    if not 0 <= radius <= LARGEST_RADIUS:
        raise UsageError(f"radius is {radius} bits; expected 0 to {LARGEST_RADIUS}")
    if bucket_limit < 1:
        raise UsageError(f"bucket_limit is {bucket_limit}; expected 1 or more")


def _collapse(words: NDArray[np.uint64], new_from: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First rows of the different words; (D, 3) pairs of new repetitions with their first."""
    order = np.lexsort(words.T)
    ordered = words[order]
    starts = np.ones(len(words), dtype=np.bool_)
    starts[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    first_of = order[starts][np.cumsum(starts) - 1]
    again = ~starts & (order >= new_from)
    pairs = np.column_stack([first_of[again], order[again], np.zeros(int(again.sum()), dtype=np.int64)])
    return np.sort(order[starts]), pairs


def _bands(radius: int) -> list[tuple[range, bool]]:
    """Bits of each band, and whether it must find keys up to two bits apart (or only equal ones).

    Bands hold as long as the sum of (bits allowed + 1) over them exceeds the radius. A key needs
    not use all bits of its band: fewer only let more words meet.
    """
    count = -(-(radius + 1) // 3)
    expanded = -(-(radius + 1 - count) // 2)
    return [(range(band, _BITS, count)[:_WIDEST_BAND], band < expanded) for band in range(count)]


def _search_band(
    columns: NDArray[np.uint64], first_new: int, radius: int, band: tuple[range, bool], bucket_limit: int
) -> tuple[NDArray[np.uint64], int]:
    """Near pairs of one band as i * 2^32 + j, each once; and the number of skipped comparisons."""
    bits, expand = band
    entries = _entries(_keys(columns, bits), first_new, len(bits), expand)
    starts = np.ones(len(entries), dtype=np.bool_)
    starts[1:] = (entries[1:] ^ entries[:-1]) >> np.uint64(32) != 0
    bucket_start = np.maximum.accumulate(np.where(starts, np.arange(len(entries)), 0))
    rows = (entries & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    del entries, starts
    # Entries of a key ascend by row, so a new word's partners, new or not, are all before it.
    active = np.flatnonzero(rows >= first_new)
    before = active - bucket_start[active]
    del bucket_start
    skipped = int(np.maximum(before - bucket_limit, 0).sum())
    found = [np.empty(0, dtype=np.uint64)]
    for lag in range(1, bucket_limit + 1):
        keep = before >= lag
        active, before = active[keep], before[keep]
        if not len(active):
            break
        for start in range(0, len(active), _BLOCK):
            later = active[start : start + _BLOCK]
            near = _near(columns, rows[later - lag], rows[later], radius)
            if len(near):
                found.append(near)
        if len(found) > 64:
            found = [np.unique(np.concatenate(found))]
    return np.unique(np.concatenate(found)), skipped


def _keys(columns: NDArray[np.uint64], bits: range) -> NDArray[np.uint32]:
    keys = np.zeros(columns.shape[1], dtype=np.uint32)
    for place, bit in enumerate(bits):
        value = (columns[bit // 64] >> np.uint64(bit % 64)) & np.uint64(1)
        keys |= value.astype(np.uint32) << np.uint32(place)
    return keys


def _entries(keys: NDArray[np.uint32], first_new: int, width: int, expand: bool) -> NDArray[np.uint64]:
    """Sorted entries key * 2^32 + row: each word's key and, if wanted, those one bit away.

    Registered words are left out where no new word has the key: few new words cost little.
    """
    masks = [0, *(1 << place for place in range(width) if expand)]
    wanted = np.zeros(1 << width, dtype=np.bool_)
    for mask in masks:
        wanted[keys[first_new:] ^ np.uint32(mask)] = True
    rows = np.arange(len(keys), dtype=np.uint64)
    parts = []
    for mask in masks:
        filed = keys ^ np.uint32(mask)
        kept = np.ones(len(keys), dtype=np.bool_) if not first_new else wanted[filed]
        parts.append((filed[kept].astype(np.uint64) << np.uint64(32)) | rows[kept])
    entries = np.concatenate(parts)
    entries.sort()
    return entries


def _near(columns: NDArray[np.uint64], earlier: NDArray[Any], later: NDArray[Any], radius: int) -> NDArray[np.uint64]:
    """The candidate pairs within the radius, as i * 2^32 + j."""
    # Half of the bits settle almost every pair of unrelated words.
    half = _distances(columns[:2], earlier, later) <= radius
    earlier, later = earlier[half], later[half]
    near = _distances(columns, earlier, later) <= radius
    return (earlier[near].astype(np.uint64) << np.uint64(32)) | later[near].astype(np.uint64)


def _distances(columns: NDArray[np.uint64], left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.uint16]:
    total = np.zeros(len(left), dtype=np.uint16)
    for column in columns:
        total += np.bitwise_count(column[left] ^ column[right])
    return total
