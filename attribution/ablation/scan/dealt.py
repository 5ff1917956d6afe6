"""Units that have their codes by number, and no list of them: any number of units in little memory.

Plain codes come from a number by a keyed permutation and the order of words
(:mod:`registry.encodings.codes`), and both can be inverted. A value depends on the code alone. So
the best units are found by a search of all words of the law, which gives few words, and the inverse
permutation, which gives their numbers. That is fast where a good part of the words have units.
Where few have (many members), or where values are all alike, codes are made block by block instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
from jaxtyping import Float64, Int64

from attribution.ablation.scan.arrays import Dealing
from attribution.ablation.scan.compiled import on_all_cores
from attribution.ablation.scan.form import QuadraticForm
from attribution.ablation.scan.index import LONGEST_LAW, CodeGroups, group_codes, group_law
from attribution.ablation.scan.loops import codes_dealt
from attribution.ablation.scan.search import CodeSearch, Largest, bounded, merged, nobody
from attribution.engines.device import usable_cores
from registry.encodings.codes import capacity, decoys_available, halved, orientation_of, shuffle_of
from registry.encodings.keys import FIRST_FORMAT
from registry.encodings.words import BINOMIALS, Words

MADE_AT_ONCE = 1 << 20
"""Codes that one core makes and groups at a time; 24 MiB."""
SHUFFLED_AT_ONCE = 1 << 10
"""Codes whose rounds are computed together: they stay in the processor's cache."""
LOOK_UP = 7
"""Codes that are made in the time of one look-up of a word by number."""
LOOK_UPS = 1 << 22
"""Words looked up, at most, before all codes are made instead."""
COUNTED = 1 << 23
"""Words looked up, at most, to count those of no unit: fifteen seconds of one core."""


@dataclass(frozen=True)
class Dealt:
    """Units 0 to ``units`` - 1 of plain codes.

    Raises:
        UsageError: impossible sizes.
        CapacityError: there are more units than codes.
    """

    seed: int
    n: int
    h: int
    units: int
    code_format: int = FIRST_FORMAT

    def __post_init__(self) -> None:
        decoys_available(self.n, self.h, self.units, self.code_format)

    @property
    def capacity(self) -> int:
        """Codes of the law."""
        return capacity(self.n, self.h, self.code_format)

    def loops(self, units: int) -> Dealing:
        """The law as compiled loops take it, with this many units."""
        chosen, coins = shuffle_of(self.seed, self.n, self.h, self.code_format)
        paired = halved(self.n, self.h, self.code_format)
        orientation = np.uint64(orientation_of(self.seed, self.n, self.n, self.h) if paired else 0)
        return Dealing(chosen, coins, self.capacity, self.n, self.h, orientation, paired, BINOMIALS, units)

    def codes(self, first: int, count: int) -> Words:
        """The codes of consecutive numbers."""
        found, dealing = np.empty(count, dtype=np.uint64), self.loops(self.units)
        for start in range(0, count, SHUFFLED_AT_ONCE):
            codes_dealt(first + start, dealing, found[start : start + SHUFFLED_AT_ONCE])
        return found


@dataclass(frozen=True, eq=False)
class DealtSearch:
    """Searches the units of a law, for any number of forms."""

    dealt: Dealt
    serving: int
    """The word of the members in service."""

    @cached_property
    def law(self) -> CodeGroups:
        """All words.

        Raises:
            CapacityError: too many members.
        """
        return group_law(self.dealt.n, self.dealt.h, self.serving)

    def largest(self, form: QuadraticForm, k: int) -> Largest:
        """The k units, or all if they are fewer, with the largest values.

        Raises:
            UsageError: k is below 1, or the form has values that are no finite numbers.
        """
        dealt = self.dealt
        k = bounded(k, dealt.units)
        if not k:
            return nobody()
        # Where values have nothing to do with numbers, words / units are looked up.
        words = k * dealt.capacity
        if dealt.n <= LONGEST_LAW and words <= dealt.units * min(LOOK_UPS, dealt.units // LOOK_UP):
            found = CodeSearch(form, self.law, dealt.loops(dealt.units)).largest(k, patience=LOOK_UPS)
            if found.complete:
                return found
        return self.largest_of_made(form, k)

    def largest_of_made(
        self, form: QuadraticForm, k: int, on_progress: Callable[[int, int], object] = lambda _done, _all: None
    ) -> Largest:
        """The same, from the codes of all units, made block by block.

        ``on_progress`` gets (units done, units in all).

        Raises:
            UsageError: k is below 1, or the form has values that are no finite numbers.
        """
        best, dealt, cores = nobody(), self.dealt, usable_cores()
        k = bounded(k, dealt.units)

        def make(start: int) -> Words:
            return dealt.codes(start, min(MADE_AT_ONCE, dealt.units - start))

        for first in range(0, dealt.units, cores * MADE_AT_ONCE):
            starts = range(first, min(dealt.units, first + cores * MADE_AT_ONCE), MADE_AT_ONCE)
            codes = np.concatenate(on_all_cores(make, starts))
            floor = float(best.values[-1]) if len(best.values) == k else -np.inf
            found = CodeSearch(form, group_codes(codes, dealt.n, self.serving)).largest(k, floor)
            best = merged([best, Largest(found.values, found.numbers + first, found.codes)], k)
            on_progress(min(dealt.units, first + len(codes)), dealt.units)
        return best

    def unused_with_at_least(
        self, form: QuadraticForm, thresholds: Float64[np.ndarray, " threshold"]
    ) -> Int64[np.ndarray, " threshold"] | None:
        """How many codes of no unit have at least each value.

        Each code with such a value is looked up by number: for the values of the best units. None:
        more than :data:`COUNTED` codes have, as where nearly all units are asked for.

        Raises:
            CapacityError: too many members.
        """
        return CodeSearch(form, self.law, self.dealt.loops(self.dealt.units)).count(thresholds, COUNTED)

    def with_at_least(
        self, form: QuadraticForm, thresholds: Float64[np.ndarray, " threshold"]
    ) -> Int64[np.ndarray, " threshold"]:
        """How many codes of the law have at least each value.

        Raises:
            CapacityError: too many members.
        """
        found = CodeSearch(form, self.law, self.dealt.loops(0)).count(thresholds)
        return cast(np.ndarray, found)  # no code is looked up, so no patience ends
