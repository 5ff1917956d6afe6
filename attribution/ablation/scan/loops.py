"""The compiled loops over codes; :mod:`attribution.ablation.scan.form` has the mathematics.

They are in one module because Numba compiles a loop anew when its own file changes, not when the
file of a loop that it calls does. The words are those of :mod:`attribution.ablation.scan.arrays`.
"""

from __future__ import annotations

import numpy as np

from attribution.ablation.scan.arrays import Best, Dealing, Exact, Groups, Tails, Word
from attribution.ablation.scan.compiled import compiled, inlined

WIDTH = 6
"""Bits of a part of a code in double precision: all tables stay in a core's cache."""
CODES_AT_ONCE = 2048
"""Codes whose values are computed together."""
TAILS_AT_ONCE = 64
"""Tails whose approximate forms are computed before any is looked at."""


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


@inlined
def coin_of(word: Word, key: Word) -> Word:
    """One pseudorandom bit of a word (:mod:`registry.encodings.keys`)."""
    mixed = word ^ key
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed >> np.uint64(63)


@inlined
def swapped(place: Word, chosen: Word, coin: Word, size: Word) -> Word:
    """A place after one round of the keyed permutation: itself, or its partner."""
    partner = chosen - place + (size if chosen < place else np.uint64(0))
    return partner if coin_of(max(place, partner), coin) else place


@compiled
def deal(word: Word, partners: np.ndarray, coins: np.ndarray, size: int, backwards: bool) -> Word:
    """The keyed permutation of :mod:`registry.encodings.codes`, or its inverse, of one place."""
    place = np.uint64(word)
    for step in range(len(partners)):
        turn = len(partners) - 1 - step if backwards else step
        place = swapped(place, partners[turn], coins[turn], np.uint64(size))
    return place


@compiled
def is_code(code: Word, n: int, orientation: Word) -> bool:
    """Where words have complements: whether the pair's coin chose this one."""
    flipped = np.uint64(code) >> np.uint64(n - 1)
    everybody = np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(64 - n)
    named = np.uint64(code) ^ everybody if flipped else np.uint64(code)
    chosen: bool = coin_of(named, np.uint64(orientation)) == flipped
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
            codes[step] = swapped(codes[step], chosen, coin, size)
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
def is_worse(one: int, other: int, values: np.ndarray, numbers: np.ndarray) -> bool:
    """Whether the unit at one place comes after that at another: by value, then by number."""
    below: bool = values[one] < values[other]
    return below or (values[one] == values[other] and numbers[one] > numbers[other])


@compiled
def exchange(one: int, other: int, best: Best) -> None:
    """Exchange the units at two places."""
    values, numbers, codes = best
    values[one], values[other] = values[other], values[one]
    numbers[one], numbers[other] = numbers[other], numbers[one]
    codes[one], codes[other] = codes[other], codes[one]


@compiled
def insert(value: float, number: Word, code: Word, count: int, best: Best) -> int:
    """Put a unit among the best; returns how many there are.

    They are a heap: the worst is at place 0, and none is worse than the one at half its place. So
    many units are kept as fast as few.
    """
    values, numbers, codes = best
    if count < len(values):
        values[count], numbers[count], codes[count] = value, number, code
        place = count
        while place and is_worse(place, (place - 1) // 2, values, numbers):
            exchange(place, (place - 1) // 2, best)
            place = (place - 1) // 2
        return count + 1
    if value < values[0] or (value == values[0] and number > numbers[0]):
        return count
    values[0], numbers[0], codes[0] = value, number, code
    place = 0
    while True:
        worst, left = place, 2 * place + 1
        if left < count and is_worse(left, worst, values, numbers):
            worst = left
        if left + 1 < count and is_worse(left + 1, worst, values, numbers):
            worst = left + 1
        if worst == place:
            return count
        exchange(place, worst, best)
        place = worst


@compiled
def open_group(
    group: int, exact: Exact, tails: Tails, groups: Groups, pulls: np.ndarray, sums: np.ndarray
) -> tuple[Word, Word, float, float]:
    """Make ready to read a group: ``sums`` gets what each word of a part of a tail adds.

    Returns the head in its place within a code, its members in service, its form, and by how much
    the single-precision form of a tail beside it may be wrong.
    """
    head = np.uint64(groups.heads[group])
    base = open_head(exact.matrix, head, tails.low, pulls)
    size = tails.size + open_tails(pulls, tails.own, tails.width, tails.low, sums)
    terms = tails.width + len(tails.own) + len(tails.cross) + 4
    above = head << np.uint64(tails.low)
    return above, popcount(above & np.uint64(exact.mask)), base, size * terms * 2.0**-23 + exact.rounding


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
    """The best units of some groups, in no order; a value below ``floor`` may be lost.

    Among equal values the smaller number is better. Returns how many of ``best`` were found, and
    how many codes were looked up by number. Stops when these are more than ``patience``.
    """
    values = best[0]
    pulls, sums = np.empty(64), np.empty(tails.own.shape, dtype=np.float32)
    found, need = np.empty(TAILS_AT_ONCE, dtype=np.float32), np.empty(len(exact.inverse), dtype=np.float32)
    tailmask = np.uint64(exact.mask) & ((np.uint64(1) << np.uint64(tails.low)) - np.uint64(1))
    count = tried = 0
    for group in chosen:
        limit = max(floor, values[0]) if count == len(values) else floor
        if bounds[group] < limit:
            continue
        above, own, base, rounding = open_group(group, exact, tails, groups, pulls, sums)
        fixed = groups.lightest == groups.heaviest
        stale = True
        for start in range(groups.starts[group], groups.stops[group], TAILS_AT_ONCE):
            if stale:
                for weight in range(len(need)):
                    need[weight] = (
                        np.float32(limit / exact.inverse[weight] - base - rounding) if limit > 0.0 else -np.inf
                    )
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
                if count == len(values) and values[0] > limit:
                    limit, stale = values[0], True
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
    patience: int,
    tried: np.ndarray,
    turn: int,
    counts: np.ndarray,
) -> None:
    """Count the codes of some groups by the first of the falling ``thresholds`` that they reach.

    Where a law has units, only codes of no unit count. ``tried`` has how many codes each thread
    looked up by number, this one at place ``turn``. Stops when all are more than ``patience``.
    """
    pulls, sums = np.empty(64), np.empty(tails.own.shape, dtype=np.float32)
    found, possible = np.empty(TAILS_AT_ONCE, dtype=np.float32), np.empty(len(exact.inverse), dtype=np.float32)
    tailmask = np.uint64(exact.mask) & ((np.uint64(1) << np.uint64(tails.low)) - np.uint64(1))
    lowest = thresholds[len(thresholds) - 1]
    for group in chosen:
        if bounds[group] < lowest:
            continue
        above, own, base, rounding = open_group(group, exact, tails, groups, pulls, sums)
        for weight in range(len(possible)):
            needed = lowest / exact.inverse[weight] - base - rounding
            possible[weight] = needed if lowest > 0.0 else -np.inf
        for start in range(groups.starts[group], groups.stops[group], TAILS_AT_ONCE):
            part = groups.tails[start : min(start + TAILS_AT_ONCE, groups.stops[group])]
            approximate(part, sums, tails.cross, tails.width, found)
            for place in range(len(part)):
                if not found[place] >= possible[own + popcount(np.uint64(part[place]) & tailmask)]:
                    continue
                code = above | np.uint64(part[place])
                value = value_of(code, exact.tables, exact.parts, exact.mask, exact.inverse)
                if not value >= lowest or (dealing.paired and not is_code(code, dealing.n, dealing.orientation)):
                    continue
                if dealing.units:
                    tried[turn] += 1
                    if number_of(code, dealing) < dealing.units:
                        continue
                first, last = 0, len(thresholds) - 1
                while first < last:
                    middle = (first + last) // 2
                    if value >= thresholds[middle]:
                        last = middle
                    else:
                        first = middle + 1
                counts[first] += 1
            if tried.sum() > patience:
                return


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
