"""The compiled loops over codes; :mod:`attribution.ablation.scan.form` has the mathematics.

They are in one module because Numba compiles a loop anew when its own file changes, not when the
file of a loop that it calls does.

Words used here: a code is ``head << low | tail``, with ``low`` bits in the tail. A group is all
codes of one head. Tails are cut into parts of equal width. A code's *form* is b'Hb, its *value* the
form times ``inverse[s]``, s being the members in service that the code names.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from attribution.ablation.scan.compiled import compiled

Word: TypeAlias = Any
"""An unsigned 64-bit integer, or a whole number below 2^63: Numba works with either."""
Best: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Values, numbers and codes of units; filled in place."""
WIDTH = 6
"""Bits of a part of a code in double precision: all tables stay in a core's cache."""
CODES_AT_ONCE = 2048
"""Codes whose values are computed together."""
TAILS_AT_ONCE = 64
"""Tails whose approximate forms are computed before any is looked at."""


class Exact(NamedTuple):
    """The form in double precision."""

    matrix: np.ndarray
    """H, shape (n, n)."""
    tables: np.ndarray
    """Shape (pairs of parts, 4**WIDTH)."""
    parts: int
    """At least 2."""
    mask: Word
    """The members in service."""
    inverse: np.ndarray
    """Shape (n + 1): by members in service of a code; NaN: all of them."""
    rounding: float
    """No form is wrong by more."""


class Tails(NamedTuple):
    """The form of tails in single precision."""

    low: int
    width: int
    own: np.ndarray
    """Shape (parts, 2**width): each word of a part alone."""
    cross: np.ndarray
    """Shape (pairs of parts, 4**width)."""
    size: float
    """The largest absolute sum of these tables."""


class Groups(NamedTuple):
    """Codes by head."""

    heads: np.ndarray
    starts: np.ndarray
    """Where each group's tails begin in ``tails``; groups may share tails."""
    stops: np.ndarray
    tails: np.ndarray
    numbers: np.ndarray
    """The unit of each tail; empty where units are dealt codes by number."""
    lightest: int
    heaviest: int


class Dealing(NamedTuple):
    """How numbers get codes (:mod:`registry.encodings.codes`)."""

    partners: np.ndarray
    coins: np.ndarray
    size: int
    n: int
    h: int
    orientation: Word
    """Where words have complements, the key of their coins."""
    paired: bool
    binomials: np.ndarray
    units: int
    """Numbers from here on have no unit."""


@compiled
def popcount(word: Word) -> Word:
    """The number of ones; the processor has one instruction for it."""
    word = np.uint64(word)
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@compiled
def form_of(code: Word, tables: np.ndarray, parts: int) -> float:
    """The form of one code, from a table per pair of its parts, in one fixed order."""
    found, place, left = 0.0, 0, np.uint64(code)
    last = np.uint64((1 << WIDTH) - 1)
    for high in range(1, parts):
        left >>= np.uint64(WIDTH)
        upper, rest = (left & last) << np.uint64(WIDTH), np.uint64(code)
        for _ in range(high):
            found += tables[place, upper | (rest & last)]
            rest >>= np.uint64(WIDTH)
            place += 1
    return found


@compiled
def value_of(code: Word, tables: np.ndarray, parts: int, mask: Word, inverse: np.ndarray) -> float:
    """The value of one code; NaN: all members in service are in it."""
    found = form_of(code, tables, parts)
    if found < 0.0:  # H is positive semidefinite up to rounding
        found = 0.0
    return found * float(inverse[popcount(np.uint64(code) & np.uint64(mask))])


@compiled
def values_of(
    codes: np.ndarray, tables: np.ndarray, parts: int, mask: Word, inverse: np.ndarray, found: np.ndarray
) -> None:
    """The values of all codes: as :func:`value_of`, a block of codes by one table at a time.

    A table fits in the fastest cache, and the sums of different codes wait for nothing.
    """
    words, sums = np.empty((parts, CODES_AT_ONCE), dtype=np.uint8), np.empty(CODES_AT_ONCE)
    for start in range(0, len(codes), CODES_AT_ONCE):
        block = codes[start : min(start + CODES_AT_ONCE, len(codes))]
        for part in range(parts):
            for place in range(len(block)):
                words[part, place] = block[place] >> np.uint64(WIDTH * part) & np.uint64((1 << WIDTH) - 1)
        sums[:] = 0.0
        pair = 0
        for high in range(1, parts):
            for below in range(high):
                table, upper, lower = tables[pair], words[high], words[below]
                for place in range(len(block)):
                    sums[place] += table[np.uint64(upper[place]) << np.uint64(WIDTH) | np.uint64(lower[place])]
                pair += 1
        for place in range(len(block)):
            weight = popcount(block[place] & np.uint64(mask))
            found[start + place] = (0.0 if sums[place] < 0.0 else sums[place]) * inverse[weight]


@compiled
def fill_own(matrix: np.ndarray, start: int, bits: int, own: np.ndarray) -> None:
    """The form of each word of ``bits`` bits at ``start``, alone."""
    own[0] = 0.0
    for bit in range(bits):
        for rest in range(1 << bit):
            found = matrix[start + bit, start + bit]
            for other in range(bit):
                if rest >> other & 1:
                    found += 2.0 * matrix[start + bit, start + other]
            own[rest | 1 << bit] = own[rest] + found


@compiled
def fill_cross(matrix: np.ndarray, first: int, second: int, width: int, cross: np.ndarray) -> None:
    """Twice the product of each word at ``first`` with each word at ``second``.

    It is at place second << width | first.
    """
    row = np.zeros(1 << width)
    for upper in range(1 << width):
        for bit in range(width):
            found = 0.0
            for other in range(width):
                if upper >> other & 1:
                    found += 2.0 * matrix[second + other, first + bit]
            for rest in range(1 << bit):
                row[rest | 1 << bit] = row[rest] + found
        for lower in range(1 << width):
            cross[upper << width | lower] = row[lower]


@compiled
def open_head(matrix: np.ndarray, head: Word, low: int, pulls: np.ndarray) -> float:
    """The form of a head; ``pulls`` gets what each bit of the tail adds beside it."""
    n, base = len(matrix), 0.0
    pulls[:low] = 0.0
    for bit in range(low, n):
        if np.uint64(head) >> np.uint64(bit - low) & np.uint64(1):
            base += matrix[bit, bit]
            for other in range(low, bit):
                if np.uint64(head) >> np.uint64(other - low) & np.uint64(1):
                    base += 2.0 * matrix[bit, other]
            for place in range(low):
                pulls[place] += 2.0 * matrix[bit, place]
    return base


@compiled
def bound_groups(
    heads: np.ndarray,
    matrix: np.ndarray,
    low: int,
    mask: Word,
    most: np.ndarray,
    inverse: np.ndarray,
    rounding: float,
    lightest: int,
    heaviest: int,
    bounds: np.ndarray,
) -> None:
    """No value of a group is above its bound.

    ``most``: the largest form of a tail alone, by its members in service. To it comes, for tails
    with j of them, the sum of the j largest pulls. ``lightest``, ``heaviest``: members in service
    of a whole code.
    """
    pulls, order = np.empty(64), np.empty(64)
    for group in range(len(heads)):
        base = open_head(matrix, heads[group], low, pulls)
        inside = 0
        for bit in range(low):
            if np.uint64(mask) >> np.uint64(bit) & np.uint64(1):
                place = inside
                while place and order[place - 1] < pulls[bit]:
                    order[place] = order[place - 1]
                    place -= 1
                order[place] = pulls[bit]
                inside += 1
        own = popcount((np.uint64(heads[group]) << np.uint64(low)) & np.uint64(mask))
        best, pulled = -1.0, 0.0
        for weight in range(inside + 1):
            if weight:
                pulled += order[weight - 1]
            if lightest <= own + weight <= heaviest:
                found = base + pulled + most[weight] + rounding
                best = max(best, max(found, 0.0) * inverse[own + weight])
        bounds[group] = best


@compiled
def open_tails(pulls: np.ndarray, own: np.ndarray, width: int, low: int, sums: np.ndarray) -> float:
    """Per part of the tail, what each of its words adds; returns the sum of their largest sizes."""
    size = 0.0
    for part in range(len(own)):
        sums[part, 0] = 0.0
        for bit in range(min(width, low - part * width)):
            pull = np.float32(pulls[part * width + bit])
            size += abs(pulls[part * width + bit])
            for rest in range(1 << bit):
                sums[part, rest | 1 << bit] = sums[part, rest] + pull
        for word in range(1 << width):
            sums[part, word] += own[part, word]
    return size


@compiled
def approximate(tails: np.ndarray, sums: np.ndarray, cross: np.ndarray, width: int, found: np.ndarray) -> None:
    """The forms of some tails beside their head, in single precision."""
    parts = len(sums)
    last = np.uint64((1 << width) - 1)
    if parts == 2:
        for place in range(len(tails)):
            tail = np.uint64(tails[place])
            found[place] = cross[0, tail] + sums[0, tail & last] + sums[1, tail >> np.uint64(width)]
        return
    for place in range(len(tails)):
        tail = np.uint64(tails[place])
        total, pair = sums[0, tail & last], 0
        for high in range(1, parts):
            upper = tail >> np.uint64(width * high) & last
            total += sums[high, upper]
            for below in range(high):
                total += cross[pair, (upper << np.uint64(width)) | (tail >> np.uint64(width * below) & last)]
                pair += 1
        found[place] = total


@compiled
def largest_by_weight(tails: Tails, mask: Word, most: np.ndarray) -> None:
    """The largest form of a tail alone, of those with each number of members in service."""
    last = (1 << tails.width) - 1
    for tail in range(1 << tails.low):
        found = tails.own[0, tail & last] + tails.own[1, tail >> tails.width] + tails.cross[0, tail]
        weight = popcount(tail & mask)
        most[weight] = max(most[weight], found)


@compiled
def deal(word: Word, partners: np.ndarray, coins: np.ndarray, size: int, backwards: bool) -> Word:
    """The keyed permutation of :mod:`registry.encodings.codes`, or its inverse, of one place."""
    place = np.uint64(word)
    for step in range(len(partners)):
        turn = len(partners) - 1 - step if backwards else step
        partner = partners[turn] + np.uint64(size) - place if partners[turn] < place else partners[turn] - place
        mixed = max(place, partner) ^ coins[turn]
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        if mixed >> np.uint64(63):
            place = partner
    return place


@compiled
def is_code(code: Word, n: int, orientation: Word) -> bool:
    """Where words have complements: whether the pair's coin chose this one."""
    flipped = np.uint64(code) >> np.uint64(n - 1)
    everybody = np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(64 - n)
    mixed = (np.uint64(code) ^ everybody if flipped else np.uint64(code)) ^ np.uint64(orientation)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    chosen: bool = (mixed >> np.uint64(63)) == flipped
    return chosen


@compiled
def number_of(code: Word, dealing: Dealing) -> Word:
    """The number that has this code; -1: it is no code of the encoding."""
    word = np.uint64(code)
    if dealing.paired:
        if not is_code(word, dealing.n, dealing.orientation):
            return -1
        if word >> np.uint64(dealing.n - 1):
            word ^= np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(64 - dealing.n)
    rank, ones = np.uint64(0), 0
    for bit in range(dealing.n):
        if word >> np.uint64(bit) & np.uint64(1):
            ones += 1
            rank += dealing.binomials[bit, ones]
    return np.int64(deal(rank, dealing.partners, dealing.coins, dealing.size, True))


@compiled
def codes_dealt(first: int, dealing: Dealing, codes: np.ndarray) -> None:
    """The codes of consecutive numbers."""
    last = dealing.n - 1 if dealing.paired else dealing.n
    for step in range(len(codes)):
        codes[step] = np.uint64(first + step)
    for turn in range(len(dealing.partners)):
        chosen, coin, size = dealing.partners[turn], dealing.coins[turn], np.uint64(dealing.size)
        for step in range(len(codes)):
            place = codes[step]
            partner = chosen - place + (size if chosen < place else np.uint64(0))
            mixed = max(place, partner) ^ coin
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            codes[step] = partner if mixed >> np.uint64(63) else place
    for step in range(len(codes)):
        rest, left, word = codes[step], dealing.h, np.uint64(0)
        for bit in range(last - 1, -1, -1):
            if rest >= dealing.binomials[bit, left]:
                rest -= dealing.binomials[bit, left]
                left -= 1
                word |= np.uint64(1) << np.uint64(bit)
        if dealing.paired and not is_code(word, dealing.n, dealing.orientation):
            word ^= np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(64 - dealing.n)
        codes[step] = word


@compiled
def insert(value: float, number: Word, code: Word, count: int, best: Best) -> int:
    """Put a unit among the best, by falling value, then by number; returns how many there are."""
    values, numbers, codes = best
    if count == len(values):
        if value < values[-1] or (value == values[-1] and number > numbers[-1]):
            return count
        count -= 1
    place = count
    while place and (values[place - 1] < value or (values[place - 1] == value and numbers[place - 1] > number)):
        values[place], numbers[place], codes[place] = values[place - 1], numbers[place - 1], codes[place - 1]
        place -= 1
    values[place], numbers[place], codes[place] = value, number, code
    return count + 1


@compiled
def search_groups(
    chosen: np.ndarray,
    bounds: np.ndarray,
    exact: Exact,
    tails: Tails,
    groups: Groups,
    dealing: Dealing,
    floor: float,
    patience: int,
    best: Best,
) -> tuple[int, int]:
    """The best units of some groups, by value, then by number; a value below ``floor`` may be lost.

    Returns how many of ``best`` were found, and how many codes were looked up by number. Stops when
    these are more than ``patience``.
    """
    values = best[0]
    pulls, sums = np.empty(64), np.empty(tails.own.shape, dtype=np.float32)
    found, need = np.empty(TAILS_AT_ONCE, dtype=np.float32), np.empty(len(exact.inverse), dtype=np.float32)
    tailmask = np.uint64(exact.mask) & ((np.uint64(1) << np.uint64(tails.low)) - np.uint64(1))
    count = tried = 0
    terms = tails.width + len(tails.own) + len(tails.cross) + 4
    for group in chosen:
        limit = max(floor, values[-1]) if count == len(values) else floor
        if bounds[group] < limit:
            continue
        head = np.uint64(groups.heads[group])
        base = open_head(exact.matrix, head, tails.low, pulls)
        size = tails.size + open_tails(pulls, tails.own, tails.width, tails.low, sums)
        slack = base + size * terms * 2.0**-23 + exact.rounding
        above = head << np.uint64(tails.low)
        own = popcount(above & np.uint64(exact.mask))
        fixed = groups.lightest == groups.heaviest
        stale = True
        for start in range(groups.starts[group], groups.stops[group], TAILS_AT_ONCE):
            if stale:
                for weight in range(len(need)):
                    need[weight] = np.float32(limit / exact.inverse[weight] - slack) if limit > 0.0 else -np.inf
                stale = False
            stop = min(start + TAILS_AT_ONCE, groups.stops[group])
            part = groups.tails[start:stop]
            approximate(part, sums, tails.cross, tails.width, found)
            if fixed:
                highest = np.float32(-np.inf)
                for place in range(len(part)):
                    highest = max(highest, found[place])
                if highest < need[groups.heaviest]:
                    continue
            for place in range(len(part)):
                weight = groups.heaviest if fixed else own + popcount(np.uint64(part[place]) & tailmask)
                if found[place] < need[weight]:
                    continue
                code = above | np.uint64(part[place])
                value = value_of(code, exact.tables, exact.parts, exact.mask, exact.inverse)
                if not value >= limit:
                    continue
                if len(groups.numbers):
                    number = np.int64(groups.numbers[start + place])
                else:
                    tried += 1
                    number = number_of(code, dealing)
                    if number < 0 or number >= dealing.units:
                        continue
                count = insert(value, number, code, count, best)
                if count == len(values) and values[-1] > limit:
                    limit, stale = values[-1], True
            if tried > patience:
                return count, tried
    return count, tried


@compiled
def count_groups(
    chosen: np.ndarray,
    bounds: np.ndarray,
    exact: Exact,
    tails: Tails,
    groups: Groups,
    dealing: Dealing,
    thresholds: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Add how many codes of some groups have at least each value; ``thresholds`` fall.

    Where a law has units, only codes of no unit count.
    """
    pulls, sums = np.empty(64), np.empty(tails.own.shape, dtype=np.float32)
    found, shape = np.empty(TAILS_AT_ONCE, dtype=np.float32), (len(exact.inverse), len(thresholds))
    sure, possible = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.float32)
    tailmask = np.uint64(exact.mask) & ((np.uint64(1) << np.uint64(tails.low)) - np.uint64(1))
    terms, last = tails.width + len(tails.own) + len(tails.cross) + 4, len(thresholds) - 1
    for group in chosen:
        if bounds[group] < thresholds[last]:
            continue
        head = np.uint64(groups.heads[group])
        base = open_head(exact.matrix, head, tails.low, pulls)
        size = tails.size + open_tails(pulls, tails.own, tails.width, tails.low, sums)
        slack = size * terms * 2.0**-23 + exact.rounding
        above = head << np.uint64(tails.low)
        own = popcount(above & np.uint64(exact.mask))
        for weight in range(len(exact.inverse)):
            for step in range(len(thresholds)):
                wanted = thresholds[step] / exact.inverse[weight] - base
                possible[weight, step] = wanted - slack if thresholds[step] > 0.0 else -np.inf
                sure[weight, step] = wanted + slack
        for start in range(groups.starts[group], groups.stops[group], TAILS_AT_ONCE):
            part = groups.tails[start : min(start + TAILS_AT_ONCE, groups.stops[group])]
            approximate(part, sums, tails.cross, tails.width, found)
            for place in range(len(part)):
                weight = own + popcount(np.uint64(part[place]) & tailmask)
                if not found[place] >= possible[weight, last] or np.isnan(exact.inverse[weight]):
                    continue
                code, value = above | np.uint64(part[place]), -1.0
                if dealing.paired and not is_code(code, dealing.n, dealing.orientation):
                    continue
                if dealing.units and number_of(code, dealing) < dealing.units:
                    continue
                for step in range(len(thresholds)):
                    if not found[place] >= possible[weight, step]:
                        continue
                    if found[place] < sure[weight, step] and value < 0.0:
                        value = value_of(code, exact.tables, exact.parts, exact.mask, exact.inverse)
                    if found[place] >= sure[weight, step] or value >= thresholds[step]:
                        counts[step:] += 1
                        break


@compiled
def weigh_heads(codes: np.ndarray, low: int, mask: Word, counts: np.ndarray) -> tuple[int, int]:
    """Count the codes of each head; returns the fewest and most members in service of a code."""
    lightest, heaviest = 64, 0
    for place in range(len(codes)):
        counts[codes[place] >> np.uint64(low)] += 1
        weight = popcount(codes[place] & np.uint64(mask))
        lightest, heaviest = min(lightest, weight), max(heaviest, weight)
    return lightest, heaviest


@compiled
def sort_into_groups(codes: np.ndarray, low: int, at: np.ndarray, tails: np.ndarray, numbers: np.ndarray) -> None:
    """Put each tail behind those of its head; ``at`` has where each group begins, and moves on."""
    last = (np.uint64(1) << np.uint64(low)) - np.uint64(1)
    for number in range(len(codes)):
        head = codes[number] >> np.uint64(low)
        tails[at[head]] = codes[number] & last
        numbers[at[head]] = number
        at[head] += 1
