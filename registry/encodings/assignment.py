"""The codes of all units of an encoding, and the law that they were drawn from: tests rest on it.

A randomisation test compares a statistic under the codes that were drawn with the same statistic
under codes that could have been drawn. All codes of an encoding are one draw, uniform over the
valid assignments: distinct words, no complements, and, where codes nest, each word inside its
group's support (:mod:`registry.encodings.codes`, :mod:`registry.encodings.nested`). So, given the
codes of all other units,

* a unit's code is uniform over itself and its *decoys*: the words that its support has and that no
  slot has (:meth:`Assignment.decoys`);
* the codes of several units are uniform over all ways to deal them distinct words out of those
  left (:meth:`Assignment.joint_draws`). Both levels of a test use this: with the supports as they
  are, or with new supports for groups about which the null hypothesis says that none of their works
  made a difference (``new_supports``).

A statistic may depend on the codes of all other units; then these must stay as they are. Room for
later works counts as other units. Conditions: the null hypothesis holds for every unit that gets
new codes, and nothing else that the test uses depends on their codes.

After a withdrawal some members are out of service. Which ones depends on the codes of the withdrawn
units, which are not tested. Given these, the law is as before; words without a contrast among the
members in service are left out of units and decoys alike.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import comb

import numpy as np
from numpy.typing import NDArray

from registry.encodings.codes import capacity, codes_of, decoys, decoys_available, orientation_of, words_of_places
from registry.encodings.keys import CODE_FORMAT
from registry.encodings.nested import Slots, draw_slots
from registry.encodings.words import Words, all_members
from registry.errors import CapacityError

LISTED = 1 << 18
"""Supports with at most this many words are listed; larger ones are drawn from by rejection."""
NEW_SUPPORT_SLOTS = 4096
"""Groups with more slots keep their support in joint draws: new words for all would cost too much,
and the test is exact either way."""
_PATIENCE = 10_000


@dataclass(frozen=True, eq=False)
class Groups:
    """The groups of nested codes."""

    m: int
    """Ones of a support."""
    within: str
    """``rightsholder``, or the column whose values are the groups."""
    slots: Slots
    group_of_unit: NDArray[np.int64]
    """Shape (N,)."""
    places: NDArray[np.int64]
    """Shape (N,): which of the group's slots the unit has."""
    keys: list[str | None]
    """Shape (G,): rightsholder id or column value; None: the open group, works without a group."""
    labels: list[str]

    def weight(self, group: int) -> int:
        """Ones of the group's support: m, or n for the open group."""
        return int(np.bitwise_count(self.slots.supports[group]))

    @cached_property
    def all_codes(self) -> Words:
        """The words of all slots, ascending."""
        return np.sort(self.slots.codes)


@dataclass(frozen=True, eq=False)
class Assignment:
    """The codes of N units, and their law."""

    n: int
    h: int
    seed: int
    code_format: int
    codes: Words
    """Shape (N,), by unit number."""
    groups: Groups | None = None
    """None: plain codes."""

    def dealt_anew(self, seed: int) -> Assignment:
        """The assignment of the same units under another seed: another draw from the law."""
        if self.groups is None:
            numbers = np.arange(len(self.codes))
            return replace(self, seed=seed, codes=codes_of(seed, self.n, self.h, numbers, self.code_format))
        nested = self.groups
        grouped = nested.slots.supports != all_members(self.n)
        counts, open_slots = nested.slots.counts[grouped], int(nested.slots.counts[~grouped].sum())
        slots = draw_slots(seed, self.n, nested.m, self.h, counts, open_slots)
        codes = slots.codes[slots.starts[nested.group_of_unit] + nested.places]
        return replace(self, seed=seed, codes=codes, groups=replace(nested, slots=slots))

    def without_contrast(self, words: Words, serving: Sequence[int] | None) -> NDArray[np.bool_]:
        """Whether all members in service saw the word's unit, or none did."""
        if serving is None:
            return np.zeros(words.shape, dtype=np.bool_)
        mask = np.uint64(sum(1 << int(index) for index in serving))
        seen = words & mask
        return np.asarray((seen == 0) | (seen == mask))

    def decoys(
        self, units: NDArray[np.int64], limit: int, draw_seed: int, serving: Sequence[int] | None = None
    ) -> Decoys:
        """Decoys of units that are tested one at a time.

        Equally many for each unit. Their number depends on the codes of untested units alone.

        Args:
            units: the tested units.
            limit: decoys per unit, at most.
            draw_seed: of the draw where there are more.
            serving: the members whose bits count; None: all.
        """
        if self.groups is None:
            return self._plain_decoys(limit, draw_seed, serving)
        groups = self.groups.group_of_unit[units]
        others = self.groups.all_codes[~np.isin(self.groups.all_codes, self.codes[units])]
        found: dict[int, Words] = {}
        available = []
        for group in np.unique(groups).tolist():
            generator = np.random.default_rng((draw_seed, group))
            free, count = self._free_words(self.groups, group, others, limit + len(units), generator, serving)
            found[group] = generator.permutation(free[~np.isin(free, self.codes[units])])
            # A support is taken to have all tested units, whether it does or not: so the number of
            # decoys does not depend on their codes.
            available.append(max(0, count - len(units)))
        kept = min([limit, *available])
        rows = [found[group][:kept] for group in groups.tolist()]
        return Decoys(np.array(rows, dtype=np.uint64).reshape(len(units), kept), min(available, default=0))

    def _plain_decoys(self, limit: int, draw_seed: int, serving: Sequence[int] | None) -> Decoys:
        count = len(self.codes)
        drawn = decoys(self.seed, self.n, self.h, count, limit, draw_seed=draw_seed, code_format=self.code_format)
        available = decoys_available(self.n, self.h, count, self.code_format)
        if serving is not None:
            # Of all words, C(n-s, h) are 0 at all s members that serve and C(n-s, h-s) are 1. Where
            # h = n/2 the latter are the complements of the former, and one of each pair is a code.
            idle, h, seen = self.n - len(serving), self.h, len(serving)
            alike = comb(idle, h)
            if capacity(self.n, h, self.code_format) == comb(self.n, h):
                alike += comb(idle, h - seen) if h >= seen else 0
            available -= alike - int(self.without_contrast(self.codes, serving).sum())
        return Decoys(drawn[~self.without_contrast(drawn, serving)], available)

    def _free_words(
        self,
        nested: Groups,
        group: int,
        others: Words,
        wanted: int,
        generator: np.random.Generator,
        serving: Sequence[int] | None,
    ) -> tuple[Words, int]:
        """Words of a group's support that ``others`` has not, and their number.

        All of them, or about ``wanted`` at random where the support is too large to list.
        """
        support, weight = nested.slots.supports[group], nested.weight(group)
        size = capacity(weight, self.h, CODE_FORMAT)
        if size <= LISTED:
            places = np.arange(size, dtype=np.uint64)
        else:
            # More than wanted: some are taken or have no contrast, and some are drawn twice.
            places = np.unique(generator.integers(0, size, 4 * wanted, dtype=np.uint64))
        words = self._words(places, weight, np.full(places.shape, support))
        words = words[~(np.isin(words, others) | self.without_contrast(words, serving))]
        count = len(words) if size <= LISTED else size - len(others)
        return words, count

    def joint_draws(
        self,
        units: NDArray[np.int64],
        draws: int,
        generator: np.random.Generator,
        *,
        serving: Sequence[int] | None = None,
        new_supports: Collection[int] = (),
    ) -> Words:
        """Codes of several units, dealt anew together: shape (draws, units).

        Each row is a draw from the law of these units' codes given the codes of all others; the
        units' own codes are one possible row. So (1 + #{rows with T >= T_own}) / (1 + draws) is an
        exact p-value of the null hypothesis that none of the units made a difference.

        Args:
            units: different unit numbers; any number of groups.
            draws: number of rows.
            generator: must not depend on the units' codes.
            serving: the members whose bits count; every unit must have a contrast among them.
            new_supports: numbers of groups that are dealt new supports, too, with new codes for all
                their works. The null hypothesis is then about all works that were encoded in these
                groups. The open group, groups of more than ``NEW_SUPPORT_SLOTS`` slots, and all
                groups while members are out of service keep their supports.

        Raises:
            CapacityError: so few codes are free that a draw cannot be found.
        """
        if self.groups is None:
            return self._plain_joint(units, draws, generator, serving)
        groups = self.groups.group_of_unit[units]
        counts, supports = self.groups.slots.counts, self.groups.slots.supports
        renewed = np.zeros(len(counts), dtype=np.bool_)
        if serving is None:
            renewed[list(new_supports)] = True
            renewed &= np.isin(np.arange(len(counts)), groups)
            renewed &= (counts <= NEW_SUPPORT_SLOTS) & (supports != all_members(self.n))
        moving = np.isin(self.groups.all_codes, self.codes[units])
        for group in np.flatnonzero(renewed):
            start = self.groups.slots.starts[group]
            moving |= np.isin(self.groups.all_codes, self.groups.slots.codes[start : start + counts[group]])
        fixed = self.groups.all_codes[~moving]
        rows = np.empty((draws, len(units)), dtype=np.uint64)
        wanted, tries = np.arange(draws), 0
        while len(wanted):
            if (tries := tries + 1) > _PATIENCE:
                raise CapacityError(
                    f"no {len(units)} free codes were found for a joint draw; test fewer units together"
                )
            dealt, valid = self._deal(self.groups, units, groups, renewed, fixed, len(wanted), generator, serving)
            rows[wanted[valid]] = dealt[valid]
            wanted = wanted[~valid]
        return rows

    def _plain_joint(
        self, units: NDArray[np.int64], draws: int, generator: np.random.Generator, serving: Sequence[int] | None
    ) -> Words:
        """Distinct words with a contrast, out of the units' own and all that no unit has."""
        count, size = len(self.codes), capacity(self.n, self.h, self.code_format)
        own = np.append(units, 0)
        rows = np.empty((draws, len(units)), dtype=np.int64)
        for column in range(len(units)):
            missing, tries = np.arange(draws), 0
            while len(missing):
                if (tries := tries + 1) > _PATIENCE:
                    raise CapacityError(f"no free code with a contrast was found; test fewer than {len(units)} units")
                chosen = generator.integers(0, len(units) + size - count, len(missing))
                numbers = np.where(
                    chosen < len(units), own[np.minimum(chosen, len(units))], chosen - len(units) + count
                )
                bad = (rows[missing, :column] == numbers[:, None]).any(axis=1)
                if serving is not None:
                    words = codes_of(self.seed, self.n, self.h, numbers, self.code_format)
                    bad |= self.without_contrast(words, serving)
                rows[missing[~bad], column] = numbers[~bad]
                missing = missing[bad]
        return codes_of(self.seed, self.n, self.h, rows.ravel(), self.code_format).reshape(rows.shape)

    def _deal(
        self,
        nested: Groups,
        units: NDArray[np.int64],
        groups: NDArray[np.int64],
        renewed: NDArray[np.bool_],
        fixed: Words,
        draws: int,
        generator: np.random.Generator,
        serving: Sequence[int] | None,
    ) -> tuple[Words, NDArray[np.bool_]]:
        """Codes for the units, and the valid rows: their words differ, and none is a fixed word.

        Valid rows are uniform, since groups that keep their support are dealt words out of one list
        of free words, and rows that differ in more than that are refused as a whole.
        """
        rows = np.empty((draws, len(units)), dtype=np.uint64)
        beside: list[Words] = []  # words of renewed groups for works that are not among the units
        supports = self._new_supports(nested, np.flatnonzero(renewed), draws, generator)
        for group in np.unique(groups).tolist():
            columns = np.flatnonzero(groups == group)
            if renewed[group]:
                dealt = self._words_in(nested, group, supports[group], int(nested.slots.counts[group]), generator)
                rows[:, columns], rest = dealt[:, : len(columns)], dealt[:, len(columns) :]
                beside.append(rest)
            else:
                own = np.broadcast_to(nested.slots.supports[group], (draws,))
                rows[:, columns] = self._words_in(nested, group, own, len(columns), generator, fixed, serving)
        every = np.concatenate([rows, *beside], axis=1)
        listed = np.minimum(every, every ^ all_members(self.n)) if 2 * self.h == self.n else every
        against = np.minimum(fixed, fixed ^ all_members(self.n)) if 2 * self.h == self.n else fixed
        ordered = np.sort(listed, axis=1)
        valid = (ordered[:, 1:] != ordered[:, :-1]).all(axis=1) & ~np.isin(listed, against).any(axis=1)
        return rows, valid

    def _new_supports(
        self, nested: Groups, groups: NDArray[np.int64], draws: int, generator: np.random.Generator
    ) -> dict[int, Words]:
        """Supports for some groups, shape (draws,) each: distinct, and no other group has them."""
        if not len(groups):
            return {}
        size, everywhere = capacity(self.n, nested.m, CODE_FORMAT), all_members(self.n)
        orientation = orientation_of(self.seed, self.n, self.n, nested.m)
        kept = np.delete(nested.slots.supports, groups)
        found = np.empty((draws, len(groups)), dtype=np.uint64)
        for column in range(len(groups)):
            missing = np.arange(draws)
            while len(missing):
                places = generator.integers(0, size, len(missing), dtype=np.uint64)
                wide = np.full(places.shape, everywhere)
                words = words_of_places(places, self.n, nested.m, wide, self.n, orientation)
                bad = np.isin(words, kept) | (found[missing, :column] == words[:, None]).any(axis=1)
                found[missing[~bad], column] = words[~bad]
                missing = missing[bad]
        return {int(group): found[:, place] for place, group in enumerate(groups)}

    def _words_in(
        self,
        nested: Groups,
        group: int,
        supports: Words,
        count: int,
        generator: np.random.Generator,
        fixed: Words | None = None,
        serving: Sequence[int] | None = None,
    ) -> Words:
        """Shape (draws, count): words of a group inside its support of each row, without repeats.

        ``fixed``: words that are not free. ``serving``: words without a contrast are not free.
        """
        weight = nested.weight(group)
        size = capacity(weight, self.h, CODE_FORMAT)
        rows = np.empty((len(supports), count), dtype=np.uint64)
        for column in range(count):
            missing, tries = np.arange(len(supports)), 0
            while len(missing):
                if (tries := tries + 1) > _PATIENCE:
                    raise CapacityError(f"no free code was found in a support of {weight} members; test fewer units")
                places = generator.integers(0, size, len(missing), dtype=np.uint64)
                words = self._words(places, weight, supports[missing])
                bad = (rows[missing, :column] == words[:, None]).any(axis=1) | self.without_contrast(words, serving)
                if fixed is not None:
                    bad |= np.isin(words, fixed)
                rows[missing[~bad], column] = words[~bad]
                missing = missing[bad]
        return rows

    def _words(self, places: Words, weight: int, supports: Words) -> Words:
        return words_of_places(
            places, weight, self.h, supports, self.n, orientation_of(self.seed, self.n, weight, self.h)
        )


@dataclass(frozen=True, eq=False)
class Decoys:
    """Decoys of units."""

    words: Words
    """Shape (decoys,), the same for all units; or (units, decoys) where codes nest."""
    available: int
    """How many there are, with a contrast; if more than those here, these are a random choice."""

    @property
    def count(self) -> int:
        """Decoys per unit."""
        return int(self.words.shape[-1])


def distinct_draws(size: int, count: int, draws: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Rows of ``count`` distinct numbers below ``size``, uniform over ordered choices.

    Floyd's algorithm (Bentley and Floyd 1987) on all rows at once, then each row is shuffled.
    """
    chosen = np.empty((draws, count), dtype=np.int64)
    for column, last in enumerate(range(size - count, size)):
        number = generator.integers(0, last + 1, draws)
        taken = (chosen[:, :column] == number[:, None]).any(axis=1)
        chosen[:, column] = np.where(taken, last, number)
    generator.permuted(chosen, axis=1, out=chosen)
    return chosen
