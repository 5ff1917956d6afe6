"""The published format of codes: its vectors, computed by code of its own.

The page ``docs/codes.md`` states the format and the vectors; this module implements the page in
plain Python, without NumPy.
"""

from __future__ import annotations

import hashlib
import re
from math import comb
from pathlib import Path

import numpy as np
import pytest

from registry.encodings.codes import codes_of, numbers_of
from registry.encodings.keys import digest, integers_of, threefry
from registry.encodings.nested import draw_slots
from registry.errors import IntegrityError, UsageError

PAGE = (Path(__file__).parents[3] / "docs" / "codes.md").read_text(encoding="utf-8")
MASK = 2**64 - 1


def hashed(purpose: str, *integers: int) -> list[int]:
    data = b"creditline codes 2\x00" + purpose.encode() + b"\x00"
    data += b"".join((number & MASK).to_bytes(8, "big") for number in integers)
    block = hashlib.sha256(data).digest()
    return [int.from_bytes(block[place : place + 8], "big") for place in (0, 8, 16, 24)]


def top_bit_mixed(value: int) -> int:
    value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ value >> 27) * 0x94D049BB133111EB) & MASK
    return value >> 63


def word_of_rank(rank: int, n: int, h: int) -> int:
    word = 0
    for position in range(n - 1, -1, -1):
        if rank >= comb(position, h):
            rank -= comb(position, h)
            h -= 1
            word |= 1 << position
    return word


def word_of_place(place: int, m: int, h: int, support: int, key: int) -> int:
    halved = 2 * h == m
    local = word_of_rank(place, m - halved, h)
    members = [bit for bit in range(64) if support >> bit & 1]
    word = sum(1 << member for bit, member in enumerate(members) if local >> bit & 1)
    return word ^ support if halved and top_bit_mixed(word ^ key) else word


def size_of(m: int, h: int) -> int:
    return comb(m, h) // 2 if 2 * h == m else comb(m, h)


def plain_code(seed: int, n: int, h: int, number: int) -> int:
    size, place = size_of(n, h), number
    limit = 2**64 // size * size
    for turn in range(6 * size.bit_length() + 32):
        attempt = 0
        while (found := hashed("codes", seed, n, h, turn, attempt))[0] >= limit:
            attempt += 1
        partner = (found[0] % size - place) % size
        if top_bit_mixed(max(place, partner) ^ found[1]):
            place = partner
    return word_of_place(place, n, h, 2**n - 1, hashed("orientation", seed, n, n, h)[0])


def rotated(value: int, by: int) -> int:
    return (value << by | value >> 64 - by) & MASK


def threefry_2x64_20(key: list[int], x: int, y: int) -> int:
    keys = [key[0], key[1], 0x1BD11BDAA9FC1A22 ^ key[0] ^ key[1]]
    x, y = (x + keys[0]) & MASK, (y + keys[1]) & MASK
    for turn in range(20):
        x = (x + y) & MASK
        y = rotated(y, (16, 42, 12, 31, 16, 32, 24, 21)[turn % 8]) ^ x
        if turn % 4 == 3:
            step = turn // 4 + 1
            x = (x + keys[step % 3]) & MASK
            y = (y + keys[(step + 1) % 3] + step) & MASK
    return x


def different_places(key: list[int], group: int, attempt: int, size: int, count: int) -> list[int]:
    found: list[int] = []
    candidate = 0
    while len(found) < count:
        drawn = threefry_2x64_20(key, group, attempt << 40 | candidate)
        candidate += 1
        if drawn < 2**64 // size * size and drawn % size not in found:
            found.append(drawn % size)
    return found


def nested_codes(
    seed: int, n: int, m: int, h: int, slots: list[int], open_slots: int
) -> tuple[int, list[int], list[int]]:
    everybody = 2**n - 1
    for attempt in range(1000):
        key = hashed("supports", seed, n, m)[:2]
        turned = hashed("orientation", seed, n, n, m)[0]
        places = different_places(key, 0, attempt, size_of(n, m), len(slots))
        supports = [word_of_place(place, n, m, everybody, turned) for place in places]
        if open_slots:
            supports.append(everybody)
        key = hashed("nested", seed, n, m, h)[:2]
        codes = []
        for group, (support, count) in enumerate(zip(supports, [*slots, open_slots], strict=False)):
            weight = support.bit_count()
            turned = hashed("orientation", seed, n, weight, h)[0]
            places = different_places(key, group, attempt, size_of(weight, h), count)
            codes += [word_of_place(place, weight, h, support, turned) for place in places]
        taken = {min(code, code ^ everybody) if 2 * h == n else code for code in codes}
        if len(taken) == len(codes):
            return attempt, supports, codes
    raise AssertionError("no attempt succeeded")


def vectors(heading: str) -> list[list[str]]:
    """The rows of a table of the page, as cells without marks."""
    section = PAGE.split(f"### {heading}\n")[1].split("\n#")[0]
    rows = re.findall(r"^\| (.*) \|$", section, re.MULTILINE)[1:]
    return [[cell.strip().strip("`") for cell in row.split("|")] for row in rows if not set(row) <= set("-| ")]


def test_the_plain_codes_of_the_page_come_from_both_implementations() -> None:
    """Seeds of both signs, all sizes, with and without complements."""
    rows = vectors("Plain codes")
    assert len(rows) >= 6
    for seed, n, h, number, code in rows:
        choice = (int(seed), int(n), int(h))
        assert plain_code(*choice, int(number)) == int(code, 16)
        assert codes_of(*choice, [int(number)], 2).tolist() == [int(code, 16)]
        assert numbers_of(*choice, [int(code, 16)], 2).tolist() == [int(number)]


def test_the_nested_codes_of_the_page_come_from_both_implementations() -> None:
    """Supports, codes and the attempt; with works without a group, with h half of m and of n."""
    rows = vectors("Nested codes")
    assert len(rows) >= 4
    for seed, n, m, h, slots, open_slots, attempt, supports, codes in rows:
        counts = [int(each) for each in slots.split()]
        sizes = (int(seed), int(n), int(m), int(h))
        expected = (
            int(attempt),
            [int(each, 16) for each in supports.split()],
            [int(each, 16) for each in codes.split()],
        )
        assert nested_codes(*sizes, counts, int(open_slots)) == expected
        drawn = draw_slots(*sizes, np.array(counts), int(open_slots))
        assert (drawn.attempt, drawn.supports.tolist(), drawn.codes.tolist()) == expected


def test_hashes_and_random_numbers_of_the_page() -> None:
    """One hash, and Threefry's published answers (Random123's known-answer tests)."""
    for purpose, integers, first in vectors("Hashes"):
        numbers = [int(each) for each in integers.split()]
        assert f"{hashed(purpose, *numbers)[0]:016x}" == first
        assert f"{integers_of(digest(2, purpose, *numbers))[0]:016x}" == first
    zero, ones = np.zeros(1, dtype=np.uint64), np.full(1, MASK, dtype=np.uint64)
    assert int(threefry((0, 0), zero, zero)[0]) == 0xC2B6E3A8C2C69865
    assert int(threefry((MASK, MASK), ones, ones)[0]) == 0xE02CB7C4D95D277A


@pytest.mark.parametrize(("n", "h"), [(2, 1), (4, 2), (6, 3), (8, 4), (7, 3), (6, 2)])
def test_no_code_of_a_full_encoding_mirrors_or_contains_another(n: int, h: int) -> None:
    """Over all pairs of all codes that there are."""
    size = size_of(n, h)
    words = codes_of(5, n, h, np.arange(size), 2).tolist()
    assert len(set(words)) == size
    for first in words:
        assert first.bit_count() == h
        assert all(first == second or first & ~second for second in words)
        assert first ^ (2**n - 1) not in words
    if 2 * h == n:
        with pytest.raises(UsageError, match="complement of a code"):
            numbers_of(5, n, h, [words[0] ^ (2**n - 1)], 2)


def test_a_format_of_the_future_is_refused() -> None:
    """Never guessed."""
    with pytest.raises(IntegrityError, match="codes of format 3"):
        digest(3, "codes", 1)
