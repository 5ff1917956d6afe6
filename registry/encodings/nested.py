"""Nested codes: a support of m members for every group, and codes of weight h inside it.

With plain codes a rightsholder of many works soon has works in every member, so all members stop
serving when they leave. With nested codes no member outside the group's support saw any work of the
group: n - m members are left, whatever the number of works.

A group draws a support: a word of n bits with m ones, distinct from all other supports. Works
without a group share an *open* group whose support is all members. Each group has *slots*: one for
each of its works, and room for works that come later. Slots get words with h ones inside the
support, drawn uniformly over all assignments in which

* all words of the encoding differ, also between groups, and
* no two are complements: in the support of their group where h = m/2, in all members where h = n/2.

So codes are distinct words of equal weight, as in :mod:`registry.encodings.codes`, and leaving out
one unit erases no other. The draw is by rejection, which keeps it uniform. Within a group, the
stream of candidates is taken in order and repeats are dropped: the first k different values of a
uniform stream are a uniform sample without replacement. Between groups, the whole assignment,
supports included, is drawn again under the next attempt number, until all words differ. About
lambda pairs of slots collide in an attempt,

    lambda = ((sum of slots)^2 - sum of squared slots) / (2 C(n, h)),

so an attempt succeeds with a chance of about exp(-lambda) (:func:`log_chance`). An encoding that
would need too many attempts is refused (:func:`check_nested`), with the smallest (n, m, h) that
would do.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, lgamma, log

import numpy as np
from numpy.typing import NDArray

from registry.encodings.codes import capacity, default_weight, orientation_of, words_of_places
from registry.encodings.keys import CODE_FORMAT, digest, integers_of, threefry
from registry.encodings.words import MAX_MEMBERS, Words, all_members, check_size
from registry.errors import CapacityError, IntegrityError, UsageError

Counts = NDArray[np.int64]

WORK_LIMIT = 1 << 23
"""Candidates that a search for distinct codes draws, at most (small encodings: MOST_ATTEMPTS)."""
MOST_ATTEMPTS = 1 << 14
FEWEST_ATTEMPTS = 16
_FEW = 1 << 40  # sizes from here on: lgamma would cancel
_AT_ONCE = 1 << 21  # candidates that are drawn together
_ATTEMPT_PLACE = 40  # bits of a candidate's place; the attempt stands above
DECOYS_WANTED = 199
"""Decoys with which one unit of a shortlist of ten can reach q = 0.05."""


def default_support(n: int) -> int:
    """Three quarters of the members, rounded up: a quarter serves on after any one group has left.

    More would leave too few members; fewer would leave each group too few codes and decoys.
    """
    return min(n - 1, -(-3 * n // 4))


def slots_for(group_of_unit: NDArray[np.int64]) -> tuple[Counts, int]:
    """Slots of each group and of the open group; -1: a unit without a group."""
    grouped = group_of_unit >= 0
    return slots_of_sizes(np.bincount(group_of_unit[grouped]), int((~grouped).sum()))


def slots_of_sizes(works: Counts, open_works: int) -> tuple[Counts, int]:
    """:func:`slots_for` groups with these numbers of works, and for the works without a group."""
    return room_for(works), int(room_for(np.array([open_works]))[0])


def room_for(works: Counts) -> Counts:
    """Slots of groups with these numbers of works: a quarter more, rounded up, for later works."""
    return works + -(-works // 4)


def places_within(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each entry, how many earlier entries are of the same group."""
    order = np.argsort(groups, kind="stable")
    counts = np.bincount(groups)
    places = np.empty(len(groups), dtype=np.int64)
    places[order] = np.arange(len(groups)) - np.repeat(np.cumsum(counts) - counts, counts)
    return places


def check_sizes(n: int, m: int, h: int) -> None:
    """Check that codes of weight h nest in supports of m of n members.

    Raises:
        UsageError: not 1 <= h < m < n.
    """
    if not 1 < m < n:
        raise UsageError(f"got a support of {m} of {n} members, expected one of 2 to {n - 1} members")
    check_size(n, h)
    if h >= m:
        raise UsageError(f"got codes of weight {h} within supports of {m} members, expected a weight below {m}")


def log_chance(n: int, h: int, slots: Counts) -> float:
    """About the logarithm of the chance that one attempt gives distinct codes; -inf: none can.

    The chance that a draw of all slots with repeats has none, over the same for each group alone.
    """
    size, total = capacity(n, h, CODE_FORMAT), int(slots.sum())
    if total > size:
        return -inf

    def differ(count: int) -> float:
        return (
            lgamma(size + 1) - lgamma(size - count + 1) - count * log(size) if size < _FEW else -(count**2) / 2 / size
        )

    values, times = np.unique(slots, return_counts=True)
    return differ(total) - sum(differ(int(count)) * int(many) for count, many in zip(values, times, strict=True))


def attempts_allowed(slots: Counts) -> int:
    """Attempts at distinct codes for this many slots."""
    return max(FEWEST_ATTEMPTS, min(MOST_ATTEMPTS, WORK_LIMIT // max(1, int(slots.sum()))))


def fits(n: int, m: int, h: int, slots: Counts, open_slots: int, decoys: int = 0) -> bool:
    """Whether groups and slots fit, with decoys; ``open_slots``: of works without a group."""
    listed = np.append(slots, open_slots)
    total = int(listed.sum())
    return (
        len(slots) <= capacity(n, m, CODE_FORMAT)
        and (not len(slots) or max(int(slots.max()), total + decoys if decoys else 0) <= capacity(m, h, CODE_FORMAT))
        and open_slots + decoys <= capacity(n, h, CODE_FORMAT)
        # The chance that no allowed attempt succeeds is then below exp(-7).
        and log_chance(n, h, listed) >= log(7.0 / attempts_allowed(listed))
    )


def sizes_that_do(slots: Counts, open_slots: int, decoys: int = DECOYS_WANTED) -> tuple[int, int, int] | None:
    """The smallest n, with the default m and h, that holds these groups with decoys; None: none."""
    for n in range(4, MAX_MEMBERS + 1):
        m = default_support(n)
        h = default_weight(m)
        if fits(n, m, h, slots, open_slots, decoys):
            return n, m, h
    return None


def check_nested(n: int, m: int, h: int, slots: Counts, open_slots: int) -> None:
    """Check before anything is written that distinct codes can be drawn.

    Raises:
        UsageError: sizes that do not nest.
        CapacityError: too many groups, works of a group, or works; names sizes that would do.
    """
    check_sizes(n, m, h)
    if fits(n, m, h, slots, open_slots):
        return
    largest = int(slots.max(initial=0))
    inside, supports = capacity(m, h, CODE_FORMAT), capacity(n, m, CODE_FORMAT)
    if len(slots) > supports:
        what = f"{len(slots):,} groups, but {n} members have {supports:,} supports of {m}"
    elif largest > inside:
        what = f"a group that needs {largest:,} codes with its room for later works, but a support has {inside:,}"
    elif open_slots > capacity(n, h, CODE_FORMAT):
        what = f"{open_slots:,} works without a group, but {n} members have {capacity(n, h, CODE_FORMAT):,} codes"
    else:
        total = int(slots.sum()) + open_slots
        what = (
            f"{total:,} codes to draw from {capacity(n, h, CODE_FORMAT):,}: codes of different groups would be equal in nearly "
            "every draw"
        )
    found = sizes_that_do(slots, open_slots)
    advice = (
        "no number of members up to 64 would do"
        if found is None
        else "--members {} --support {} --weight {} would do".format(*found)
    )
    raise CapacityError(f"got {what}; {advice}, or --within none for plain codes")


@dataclass(frozen=True, eq=False)
class Slots:
    """The words of all slots, by group and place in the group."""

    supports: Words
    """Shape (G,)."""
    counts: Counts
    """Shape (G,): slots of each group."""
    codes: Words
    """Shape (sum of counts,)."""
    attempt: int
    """The number of failed attempts before this one."""

    @property
    def starts(self) -> Counts:
        """Shape (G,): the index in ``codes`` of each group's first slot."""
        return np.cumsum(self.counts) - self.counts


def draw_slots(seed: int, n: int, m: int, h: int, counts: Counts, open_slots: int = 0) -> Slots:
    """Draw the supports of groups with these slots, and the words of all slots; see the module.

    ``open_slots``: of the works without a group. If there are any, the open group comes last.

    Raises:
        CapacityError: no attempt gave distinct words (:func:`check_nested` makes this improbable).
    """
    listed = np.append(counts, open_slots)[: len(counts) + (open_slots > 0)]
    total, allowed = int(listed.sum()), attempts_allowed(listed)
    many = min(256, max(1, _AT_ONCE // max(1, 2 * total)))
    for first in (0, *range(1, allowed, many)):  # the first attempt alone: it often succeeds
        attempts = np.arange(first, min(first + (many if first else 1), allowed))
        supports, drawn = _drawn(seed, n, m, h, counts, open_slots, attempts)
        good = np.flatnonzero(_all_differ(drawn, n, h))
        if len(good):
            return Slots(supports[good[0]], listed, drawn[good[0]], int(attempts[good[0]]))
    raise CapacityError(
        f"none of {allowed:,} attempts gave {total:,} works different codes; use another --seed or more --members"
    )


def slots_again(seed: int, n: int, m: int, h: int, counts: Counts, open_slots: int, attempt: int) -> Slots:
    """The slots of a recorded attempt."""
    listed = np.append(counts, open_slots)[: len(counts) + (open_slots > 0)]
    supports, drawn = _drawn(seed, n, m, h, counts, open_slots, np.array([attempt]))
    return Slots(supports[0], listed, drawn[0], attempt)


def _all_differ(codes: Words, n: int, h: int) -> NDArray[np.bool_]:
    """Per row, whether its words differ and none is the complement of another."""
    listed = np.minimum(codes, codes ^ all_members(n)) if 2 * h == n else codes
    listed = np.sort(listed, axis=1)
    return np.asarray((listed[:, 1:] != listed[:, :-1]).all(axis=1))


def _drawn(
    seed: int, n: int, m: int, h: int, groups: Counts, open_slots: int, attempts: NDArray[np.int64]
) -> tuple[Words, Words]:
    """Supports, shape (attempts, G), and words, shape (attempts, slots), different in a group."""
    counts = np.append(groups, open_slots)[: len(groups) + (open_slots > 0)]
    supports = np.full((len(attempts), len(counts)), all_members(n))
    if len(groups):
        key = _key("supports", seed, n, m)
        places = _distinct_places(key, np.array([0]), np.array([len(groups)]), capacity(n, m, CODE_FORMAT), attempts)
        orientation = orientation_of(seed, n, n, m)
        everywhere = np.full(places.size, all_members(n))
        words = words_of_places(places.ravel(), n, m, everywhere, n, orientation)
        supports[:, : len(groups)] = words.reshape(places.shape)
    key = _key("nested", seed, n, m, h)
    codes = np.empty((len(attempts), int(counts.sum())), dtype=np.uint64)
    starts = np.cumsum(counts) - counts
    for weight, chosen in ((m, np.arange(len(groups))), (n, np.arange(len(groups), len(counts)))):
        size = capacity(weight, h, CODE_FORMAT)
        orientation = orientation_of(seed, n, weight, h)
        # Blocks of groups bound the memory; a group is never split.
        block = np.cumsum(counts[chosen] * len(attempts)) // _AT_ONCE
        for number in np.unique(block):
            part = chosen[block == number]
            places = _distinct_places(key, part, counts[part], size, attempts)
            inside = np.repeat(part, counts[part])
            words = words_of_places(places.ravel(), weight, h, supports[:, inside].ravel(), n, orientation)
            codes[:, starts[inside] + _within(counts[part])] = words.reshape(places.shape)
    return supports, codes


def _key(purpose: str, *integers: int) -> tuple[int, int]:
    first, second, *_ = integers_of(digest(CODE_FORMAT, purpose, *integers))
    return first, second


def _within(counts: Counts) -> Counts:
    """0 .. count-1 for each count, one after another."""
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)


def _distinct_places(
    key: tuple[int, int], groups: NDArray[np.int64], counts: Counts, size: int, attempts: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Shape (attempts, slots): places below ``size``, without repeats in a group."""
    if int(counts.max(initial=0)) > size:
        raise IntegrityError(f"a group has {int(counts.max())} slots, but its support has {size} codes")
    unbiased = np.uint64(2**64 // size * size - 1)
    # The expected number of candidates is that of the coupon collector; unused ones cost little.
    per_group = counts + 4 + np.ceil(counts * (counts / size + (2**64 % size) / 2**64)).astype(np.int64)
    while True:
        many = np.tile(per_group, len(attempts))
        owner = np.repeat(np.arange(len(many)), many)
        place = _within(many).astype(np.uint64)
        attempt = np.repeat(attempts, len(groups)).astype(np.uint64)[owner] << np.uint64(_ATTEMPT_PLACE)
        found = threefry(key, np.tile(groups, len(attempts)).astype(np.uint64)[owner], attempt | place)
        accepted = found <= unbiased
        found %= np.uint64(size)
        order = np.lexsort((found, ~accepted, owner))  # stable: of equal ones, the earliest comes first
        fresh = np.ones(len(order), dtype=np.bool_)
        fresh[1:] = (found[order][1:] != found[order][:-1]) | (owner[order][1:] != owner[order][:-1])
        kept = np.zeros(len(order), dtype=np.bool_)
        kept[order] = fresh
        kept &= accepted
        so_far = np.cumsum(kept)
        before = np.concatenate([[0], so_far])[np.cumsum(many) - many]
        wanted = np.tile(counts, len(attempts))
        if (np.bincount(owner[kept], minlength=len(many)) >= wanted).all():
            kept &= so_far - before[owner] <= wanted[owner]
            return found[kept].reshape(len(attempts), -1)
        per_group *= 2
