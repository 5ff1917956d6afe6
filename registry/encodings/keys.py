"""Keys of codes: the bytes that a code is drawn from, by code format, and their functions.

Format 2 (``docs/codes.md`` has it with test vectors) hashes

    "creditline codes 2" 00 <purpose> 00 <integers>

with SHA-256. The purpose is ASCII; every integer is eight bytes, big-endian, two's complement. The
first eight bytes of the hash are one unsigned big-endian integer, and so on. Format 1 hashed the
text that Python writes for a tuple, so it was published nowhere. Encodings of format 1 keep it.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np

from registry.encodings.words import Words
from registry.errors import IntegrityError

FIRST_FORMAT: Final = 1
"""The codes of encodings that name no format, and of the measurements in ``benchmarks/results``."""
CODE_FORMAT: Final = 2
"""The format of new encodings."""
_DOMAIN = b"creditline codes 2"

_ROTATIONS = (16, 42, 12, 31, 16, 32, 24, 21)
_PARITY = 0x1BD11BDAA9FC1A22
_ROUNDS = 20


def digest(code_format: int, purpose: str, *integers: int) -> bytes:
    """SHA-256 over a purpose and 64-bit integers, 32 bytes.

    Raises:
        IntegrityError: a format that this version does not know.
    """
    numbers = [int(each) for each in integers]  # a NumPy integer is hashed like the equal int
    if code_format == FIRST_FORMAT:
        *key, last = numbers
        return hashlib.sha256(repr(((purpose, *key), last)).encode()).digest()
    if code_format != CODE_FORMAT:
        raise IntegrityError(
            f"got codes of format {code_format}, expected {FIRST_FORMAT} or {CODE_FORMAT}: a newer creditline made them"
        )
    listed = b"".join(number.to_bytes(8, "big", signed=True) for number in numbers)
    return hashlib.sha256(b"\0".join((_DOMAIN, purpose.encode("ascii"), listed))).digest()


def integers_of(hashed: bytes) -> tuple[int, int, int, int]:
    """The four 64-bit integers of a hash."""
    first, second, third, fourth = (int.from_bytes(hashed[place : place + 8], "big") for place in range(0, 32, 8))
    return first, second, third, fourth


def threefry(key: tuple[int, int], first: Words, second: Words) -> Words:
    """The first output of Threefry-2x64-20 for counters (first, second) under one key.

    Salmon, Moraes, Dror, Shaw: "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011. It needs
    additions, rotations and exclusive or alone, so NumPy computes many at once.
    """
    keys = (*key, _PARITY ^ key[0] ^ key[1])
    x, y = first + np.uint64(keys[0]), second + np.uint64(keys[1])
    for number in range(_ROUNDS):
        rotation = _ROTATIONS[number % 8]
        x += y
        y = (y << np.uint64(rotation)) | (y >> np.uint64(64 - rotation))
        y ^= x
        if number % 4 == 3:
            place = number // 4 + 1
            x += np.uint64(keys[place % 3])
            y += np.uint64((keys[(place + 1) % 3] + place) % 2**64)
    return x


def mix(values: Words, spare: Words) -> None:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014) in place, without its last step.

    The last step leaves the highest bit as it is. Only that bit is used, and every input bit
    changes it half the time.
    """
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        np.right_shift(values, np.uint64(shift), out=spare)
        values ^= spare
        values *= np.uint64(factor)
