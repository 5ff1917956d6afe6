"""The value of a code: the form that all units' influences on one output are read from.

Without the unit of code b the weights move by -(b - s/n) / (n - s), s being the ones of b. With P =
I - 11'/n, c = b - s/n is P b, so

    c' G c / (n - s)^2 = b' H b / (n - s)^2,    H = P G P

and a value needs nothing of a code but its bits. Cut into parts, b'Hb is a sum over pairs of parts,
and each pair's terms are a table of all its words: a value is a few look-ups.

>>> form = QuadraticForm.of_gram(np.diag([3.0, 1.0, 1.0, 1.0]))
>>> form.values(np.array([0b0001, 0b0011], dtype=np.uint64)).round(3).tolist()
[0.222, 0.25]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from registry.encodings.words import MAX_MEMBERS, Words
from registry.errors import UsageError

if TYPE_CHECKING:
    from attribution.ablation.scan.arrays import Exact, Tails

CODES_AT_ONCE = 1 << 18
"""Codes that one core takes at a time."""


@dataclass(frozen=True, eq=False)
class QuadraticForm:
    """b'Hb / (members in service - s)^2 for codes b of n bits, s of them in service."""

    matrix: Float64[np.ndarray, "member member"]
    """H; zero in rows and columns of members out of service."""
    serving: tuple[int, ...]
    """The members in service: bits of a code that count."""

    @classmethod
    def of_gram(
        cls, gram: Float64[np.ndarray, "serving serving"], n: int | None = None, serving: Sequence[int] | None = None
    ) -> QuadraticForm:
        """The form of a Gram matrix over the members in service; None: all n, one for each row.

        Raises:
            UsageError: there are more than 64 members, or the matrix has not one row for each.
        """
        rows = np.asarray(gram, dtype=np.float64)
        members = tuple(range(len(rows))) if serving is None else tuple(int(index) for index in serving)
        size = n or len(rows)
        if rows.shape != (len(members), len(members)) or not 1 <= size <= MAX_MEMBERS or max(members) >= size:
            raise UsageError(
                f"got a Gram matrix of shape {rows.shape} for {len(members)} members of {size}, expected a row and a column "
                f"for each of at most {MAX_MEMBERS}"
            )
        centred = rows - rows.mean(axis=0)
        centred = centred - centred.mean(axis=1, keepdims=True)
        matrix = np.zeros((size, size))
        matrix[np.ix_(members, members)] = (centred + centred.T) / 2.0
        return cls(matrix, members)

    def scaled(self, exponent: int) -> QuadraticForm:
        """The form times a power of two: all values times it, to the last bit."""
        return QuadraticForm(np.ldexp(self.matrix, exponent), self.serving)

    @property
    def n(self) -> int:
        """Bits of a code."""
        return len(self.matrix)

    @property
    def mask(self) -> int:
        """The word of the members in service."""
        return sum(1 << index for index in self.serving)

    @cached_property
    def exact(self) -> Exact:
        """The tables in double precision."""
        from attribution.ablation.scan.tables import exact_tables

        return exact_tables(self.matrix, self.serving)

    def tails(self, low: int) -> Tails:
        """The tables of the lowest ``low`` bits in single precision."""
        from attribution.ablation.scan.tables import tail_tables

        return tail_tables(self.matrix, low)

    def heaviest_tails(self, tails: Tails) -> Float64[np.ndarray, " weight"]:
        """At least the largest form of a tail alone, by its members in service."""
        from attribution.ablation.scan.tables import heaviest_tails

        return heaviest_tails(self.matrix, self.serving, tails)

    def values(self, codes: Words, at_once: int = CODES_AT_ONCE) -> Float64[np.ndarray, " code"]:
        """The value of each code, at least 0; NaN: all members in service are in it."""
        from attribution.ablation.scan.compiled import on_all_cores
        from attribution.ablation.scan.loops import values_of

        found, exact = np.empty(len(codes)), self.exact

        def compute(start: int) -> None:
            part = slice(start, start + at_once)
            values_of(codes[part], exact.tables, exact.parts, exact.mask, exact.inverse, found[part])

        on_all_cores(compute, range(0, len(codes), at_once))
        return found
