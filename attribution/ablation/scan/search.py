"""The largest values of all units, and how many codes have a value as large: branch and bound.

Groups are looked at in the order of their bounds, in waves, each on all cores. A group whose bound
is below the last of the best units found so far is never read. The answer is the same as that of
sorting all values: by falling value, and among equal values by unit number.

Units are either stored codes, or numbers that have codes by the law of
:mod:`attribution.ablation.scan.dealt`. For these, all words of the law are searched, and a word
that can be among the best is looked up by the inverse of the law's permutation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float64, Int64, UInt64

from attribution.ablation.scan.arrays import Dealing, Tails
from attribution.ablation.scan.compiled import on_all_cores
from attribution.ablation.scan.form import QuadraticForm
from attribution.ablation.scan.index import CodeGroups
from attribution.ablation.scan.loops import bound_groups, count_groups, search_groups
from attribution.engines.device import usable_cores
from registry.encodings.words import BINOMIALS
from registry.errors import UsageError

FIRST_WAVE = 1 << 16
"""Codes of the first wave; each later wave has twice as many, so little is read in vain."""
NO_NUMBER = -1


@dataclass(frozen=True, eq=False)
class Largest:
    """Units by falling value; equals by number."""

    values: Float64[np.ndarray, " unit"]
    numbers: Int64[np.ndarray, " unit"]
    codes: UInt64[np.ndarray, " unit"]
    complete: bool = True
    """Whether the search came to its end."""


_NO_WORDS = np.empty(0, dtype=np.uint64)
STORED = Dealing(_NO_WORDS, _NO_WORDS, 1, 2, 1, np.uint64(0), False, BINOMIALS, 0)
"""The law of codes that are stored: none."""


@dataclass(frozen=True, eq=False)
class CodeSearch:
    """Searches grouped codes under one form.

    Raises:
        UsageError: the form has values that are no finite numbers.
    """

    form: QuadraticForm
    grouped: CodeGroups
    dealing: Dealing = STORED

    def __post_init__(self) -> None:
        if not np.isfinite(self.form.matrix).all():
            raise UsageError("the Gram matrix has values that are no finite numbers: no unit is the largest")

    @cached_property
    def exponent(self) -> int:
        """Of the form's largest number: single precision holds the form divided by that power."""
        return int(np.frexp(np.abs(self.form.matrix).max())[1])

    @cached_property
    def scaled(self) -> QuadraticForm:
        """The form whose largest number is between a half and one."""
        return self.form.scaled(-self.exponent)

    @cached_property
    def tails(self) -> Tails:
        """The tables of the scaled form."""
        return self.scaled.tails(self.grouped.low)

    @cached_property
    def bounds(self) -> Float64[np.ndarray, " group"]:
        """No value of a group is above its bound, in the scaled form."""
        groups, form, tails = self.grouped.groups, self.scaled, self.tails
        found, most = np.empty(len(groups.heads)), form.heaviest_tails(tails)
        exact = form.exact

        def compute(part: slice) -> None:
            bound_groups(
                groups.heads[part],
                exact.matrix,
                tails.low,
                exact.mask,
                most,
                exact.inverse,
                exact.rounding,
                groups.lightest,
                groups.heaviest,
                found[part],
            )

        size = -(-len(found) // (4 * usable_cores())) or 1
        on_all_cores(compute, [slice(start, start + size) for start in range(0, len(found), size)])
        return found

    @property
    def units(self) -> int:
        """Units that are searched."""
        return self.dealing.units if self.grouped.of_law else self.grouped.count

    def largest(self, k: int, floor: float = -np.inf, patience: int = 1 << 62) -> Largest:
        """The k units, or all if they are fewer, with the largest values.

        Units with a value below ``floor`` may be missing, and units that all members in service saw
        are. The search gives up after ``patience`` look-ups by number. Memory: at most 96 bytes per
        core for each unit to find.

        Raises:
            UsageError: k is below 1.
        """
        k = bounded(k, self.units)
        if not k:
            return nobody()
        bounds, groups, floor = self.bounds, self.grouped.groups, float(np.ldexp(floor, -self.exponent))
        order = np.argsort(-bounds)
        ends = np.cumsum((groups.stops - groups.starts)[order])
        best, start, wave, tried = nobody(), 0, FIRST_WAVE, 0
        while start < len(order):
            if len(best.values) >= k:
                floor = max(floor, float(best.values[-1]))
            if bounds[order[start]] < floor:
                break
            stop = max(start + 1, int(np.searchsorted(ends, (ends[start - 1] if start else 0) + wave)))
            found = on_all_cores(
                lambda part, floor=floor: self._search(part, k, floor, patience),  # type: ignore[misc]
                _dealt_out(order[start:stop]),
            )
            tried += sum(each for _, each in found)
            if tried > patience:
                best = replace(best, complete=False)
                break
            best = merged([best, *(part for part, _ in found)], k)
            start, wave = stop, wave * 2
        return replace(best, values=np.ldexp(best.values, self.exponent))

    def _search(self, chosen: Int64[np.ndarray, " group"], k: int, floor: float, patience: int) -> tuple[Largest, int]:
        kept = (np.full(k, -np.inf), np.full(k, NO_NUMBER), np.zeros(k, dtype=np.uint64))
        count, tried = search_groups(
            chosen,
            self.bounds,
            self.scaled.exact,
            self.tails,
            self.grouped.groups,
            self.dealing,
            floor,
            patience,
            kept,
        )
        return Largest(kept[0][:count], kept[1][:count], kept[2][:count]), tried

    def count(
        self, thresholds: Float64[np.ndarray, " threshold"], patience: int = 1 << 62
    ) -> Int64[np.ndarray, " threshold"] | None:
        """How many codes have at least each value; of a law with units: those of no unit.

        None: they are more than ``patience`` look-ups by number can tell.
        """
        order = np.argsort(-thresholds, kind="stable")
        falling = np.ldexp(np.ascontiguousarray(thresholds[order], dtype=np.float64), -self.exponent)
        chosen = np.flatnonzero(self.bounds >= falling[-1]) if len(falling) else np.empty(0, dtype=np.int64)

        parts = _dealt_out(chosen) if len(chosen) else []
        tried = np.zeros(len(parts), dtype=np.int64)

        def compute(turn: int) -> Int64[np.ndarray, " threshold"]:
            counts = np.zeros(len(falling), dtype=np.int64)
            count_groups(
                parts[turn],
                self.bounds,
                self.scaled.exact,
                self.tails,
                self.grouped.groups,
                self.dealing,
                falling,
                patience,
                tried,
                turn,
                counts,
            )
            return counts

        found = np.zeros(len(falling), dtype=np.int64)
        if parts:
            found[order] = np.cumsum(sum(on_all_cores(compute, range(len(parts)))))
        return None if tried.sum() > patience else found


def bounded(k: int, units: int) -> int:
    """How many of the units to find, if ``k`` are asked for.

    Raises:
        UsageError: k is below 1.
    """
    if k < 1:
        raise UsageError(f"got {k} units to find, expected at least 1")
    return min(k, units)


def _dealt_out(groups: Int64[np.ndarray, " group"]) -> list[Int64[np.ndarray, " group"]]:
    """Parts for the cores, each in the given order."""
    parts = min(len(groups), 4 * usable_cores())
    return [groups[start::parts] for start in range(parts)]


def nobody() -> Largest:
    """No units."""
    return Largest(np.empty(0), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.uint64))


def merged(found: list[Largest], k: int) -> Largest:
    """The best k of all."""
    values, numbers, codes = (
        np.concatenate([getattr(each, name) for each in found]) for name in ("values", "numbers", "codes")
    )
    order = np.lexsort((numbers, -values))[:k]
    return Largest(values[order], numbers[order], codes[order])
