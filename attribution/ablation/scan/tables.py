"""The tables that forms are read from, in double or in single precision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from attribution.ablation.scan.arrays import Exact, Tails
from attribution.ablation.scan.compiled import compiled
from attribution.ablation.scan.loops import WIDTH, largest_by_weight

NARROW = 20
"""Tails of at most this many bits are cut into two parts; longer ones into bytes."""

Matrix = Float64[np.ndarray, "member member"]


def exact_tables(matrix: Matrix, serving: Sequence[int]) -> Exact:
    """The tables of H in double precision; ``serving``: the members in service."""
    n, words = len(matrix), 1 << WIDTH
    parts = max(2, -(-n // WIDTH))
    padded = np.zeros((WIDTH * parts, WIDTH * parts))
    padded[:n, :n] = matrix
    own = np.empty((parts, words))
    for part in range(parts):
        fill_own(padded, WIDTH * part, WIDTH, own[part])
    tables, place = np.empty((parts * (parts - 1) // 2, words**2)), 0
    for upper in range(1, parts):
        for lower in range(upper):
            fill_cross(padded, WIDTH * lower, WIDTH * upper, WIDTH, tables[place])
            # Each part's own form is in one of its tables.
            if lower == upper - 1:
                tables[place] += np.tile(own[lower], words)
                if upper == parts - 1:
                    tables[place] += np.repeat(own[upper], words)
            place += 1
    left = len(serving) - np.arange(n + 1, dtype=np.float64)
    inverse = np.full(n + 1, np.nan)
    inverse[left > 0] = 1.0 / left[left > 0] ** 2
    mask = np.uint64(sum(1 << index for index in serving))
    return Exact(matrix, tables, parts, mask, inverse, 1e-12 * float(np.abs(matrix).sum()))


def tail_tables(matrix: Matrix, low: int) -> Tails:
    """The tables of the lowest ``low`` bits in single precision."""
    width = max(1, -(-low // 2)) if low <= NARROW else 8
    parts = max(2, -(-low // width))
    padded = np.zeros((width * parts, width * parts))
    padded[:low, :low] = matrix[:low, :low]
    own = np.empty((parts, 1 << width))
    for part in range(parts):
        fill_own(padded, width * part, width, own[part])
    cross, place = np.empty((parts * (parts - 1) // 2, 1 << 2 * width), dtype=np.float32), 0
    for upper in range(1, parts):
        for lower in range(upper):
            fill_cross(padded, width * lower, width * upper, width, cross[place])
            place += 1
    size = float(np.abs(own).max(axis=1).sum() + np.abs(cross).max(axis=1).astype(np.float64).sum())
    return Tails(low, width, own.astype(np.float32), cross, size)


def heaviest_tails(matrix: Matrix, serving: Sequence[int], tails: Tails) -> Float64[np.ndarray, " weight"]:
    """At least the largest form of a tail alone, by its members in service."""
    inside = [index for index in serving if index < tails.low]
    if tails.low <= NARROW:
        most = np.full(tails.low + 1, -np.inf)
        largest_by_weight(tails, sum(1 << index for index in inside), most)
        return most + tails.size * (len(tails.own) + 3) * 2.0**-23
    own = matrix[np.ix_(inside, inside)]
    steepest = max(0.0, float(np.linalg.eigvalsh(own)[-1])) if inside else 0.0
    most = steepest * np.arange(tails.low + 1)
    return most + 1e-9 * float(np.abs(own).sum())


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
