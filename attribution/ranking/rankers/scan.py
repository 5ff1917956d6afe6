"""One pass over all works, in blocks: the best units of every image, and sums that grading needs,
in bounded memory.

Ten million works times a hundred images are a billion scores, which nobody keeps. What is kept of
an image and scale is its best few units, the sum of its scores and of their squares, and, for
member-LDS, the sum over the units that each member saw. Scores are known by their logarithms up to
a constant, so the sums carry the largest logarithm met so far and are scaled anew when it grows.

Units of one work each are met one by one. Where units have many works, their scores are summed
first, one number per unit, image and scale, and then walked through in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from attribution.ranking.rankers.interface import Query, RowIndex, Rows, blocks

NOTHING = -3e38
"""Stands for the logarithm of nothing, and can be subtracted from itself."""
UNITS_AT_ONCE = 65_536


@dataclass(frozen=True, eq=False)
class UnitIndex:
    """Which work belongs to which unit."""

    unit_of_work: Int64[np.ndarray, " work"]
    unit_count: int
    single: bool
    """Whether no unit has two works."""
    present: Int64[np.ndarray, " unit"]
    """Units that have works, ascending."""

    @classmethod
    def of(cls, unit_of_work: Int64[np.ndarray, " work"], unit_count: int) -> UnitIndex:
        """Count the works of each unit."""
        counts = np.bincount(unit_of_work, minlength=unit_count)
        return cls(unit_of_work, unit_count, bool((counts <= 1).all()), np.flatnonzero(counts))

    @cached_property
    def _by_unit(self) -> tuple[Int64[np.ndarray, " work"], Int64[np.ndarray, " unit"]]:
        order = np.argsort(self.unit_of_work, kind="stable")
        return order, np.searchsorted(self.unit_of_work[order], np.arange(self.unit_count + 1))

    def rows_of(self, unit: int) -> Int64[np.ndarray, " row"]:
        """The works of a unit, ascending."""
        order, starts = self._by_unit
        return order[starts[unit] : starts[unit + 1]]


@dataclass(frozen=True, eq=False)
class Scanned:
    """What one pass left; a score is exp(logarithm - peak), or the logarithm itself of an additive
    query.
    """

    order: Int64[np.ndarray, "image order place"]
    """The best units: one order per scale, or a single one that serves all scales."""
    peak: Float64[np.ndarray, "image scale"]
    total: Float64[np.ndarray, "image scale"]
    squares: Float64[np.ndarray, "image scale"]
    seen: Float64[np.ndarray, "image scale member"]
    """Sums over the units that each member saw; no members where none were asked for."""
    units: int
    """How many units have works."""
    additive: bool = False
    """Whether scores are given as they are and not by their logarithms."""

    def mean(self) -> Float64[np.ndarray, "image scale"]:
        """Over the units that have works."""
        return self.total / self.units

    def deviation(self) -> Float64[np.ndarray, "image scale"]:
        """Standard deviation over the units that have works; 0 where all scores are equal, up to
        rounding.
        """
        mean_square = self.squares / self.units
        variance = mean_square - self.mean() ** 2
        return np.asarray(np.sqrt(np.where(variance > 1e-12 * mean_square, variance, 0.0)))

    def standardised(self, scores: Float64[np.ndarray, "image scale unit"]) -> Float64[np.ndarray, "image scale unit"]:
        """Some units' scores (or logarithms of scores) as deviations from the mean of all units; 0
        if all are equal.
        """
        plain = scores if self.additive else np.exp(np.minimum(scores - self.peak[:, :, None], 0.0))
        centred, deviation = plain - self.mean()[:, :, None], self.deviation()[:, :, None]
        return np.asarray(np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 0))

    def standardised_seen(self, seen_units: Int64[np.ndarray, " member"]) -> Float64[np.ndarray, "image scale member"]:
        """Sums, over the units that a member saw, of standardised scores: mean 0 and deviation 1
        over all units.
        """
        centred = self.seen - self.mean()[:, :, None] * seen_units[None, None, :]
        deviation = self.deviation()[:, :, None]
        return np.asarray(np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 0))


def scan(
    query: Query,
    works: Rows,
    images: int,
    scales: int,
    index: UnitIndex,
    keep: int,
    membership: Bool[np.ndarray, "unit member"] | None = None,
) -> Scanned:
    """Score all works for the images of a query and keep the best ``keep`` units of each.

    Args:
        query: of one ranker.
        works: only how many there are and how wide, to choose the blocks.
        images: how many the query is for.
        scales: how many the ranker has.
        index: the works' units.
        keep: units in each order, at most.
        membership: which member saw which unit, where sums per member are wanted.
    """
    tally = _Tally(query, images, scales, keep, membership, one_order=query.same_order and index.single)
    if index.single:
        for block in blocks(len(works), works.width):
            tally.add(index.unit_of_work[block], query.log_scores(block))
    else:
        summed = summed_scores(query, works, images, scales, index)
        for start in range(0, len(index.present), UNITS_AT_ONCE):
            units = index.present[start : start + UNITS_AT_ONCE]
            tally.add(units, summed[:, :, units])
    return tally.result(len(index.present))


def summed_scores(
    query: Query, works: Rows, images: int, scales: int, index: UnitIndex
) -> Float64[np.ndarray, "image scale unit"]:
    """The scores of units, each the sum of its works'; logarithms, unless the query is additive.

    Units without works have :data:`NOTHING`, or 0 where scores are additive.
    """
    total = np.zeros((images, scales, index.unit_count))
    peak = np.full_like(total, NOTHING)
    for block in blocks(len(works), works.width):
        _add_block(query, block, index.unit_of_work[block], total, peak)
    if query.additive:
        return total
    return np.add(peak, np.log(total, out=np.zeros_like(total), where=total > 0))


def scores_of_units(
    query: Query, rows_of_units: list[Int64[np.ndarray, " row"]], images: int, scales: int
) -> Float64[np.ndarray, "image scale unit"]:
    """The scores of a few units, as :func:`summed_scores` has them."""
    found = np.empty((images, scales, len(rows_of_units)))
    for place, rows in enumerate(rows_of_units):
        total, peak = np.zeros((images, scales, 1)), np.full((images, scales, 1), NOTHING)
        for start in range(0, len(rows), 1024):
            part = rows[start : start + 1024]
            _add_block(query, part, np.zeros(len(part), dtype=np.int64), total, peak)
        found[:, :, place] = (total if query.additive else peak + np.log(np.maximum(total, 1e-300)))[:, :, 0]
    return found


def _add_block(
    query: Query,
    rows: RowIndex,
    unit_of_row: Int64[np.ndarray, " row"],
    total: Float64[np.ndarray, "image scale unit"],
    peak: Float64[np.ndarray, "image scale unit"],
) -> None:
    """Add some works to their units' sums: plain, or of exponentials relative to the unit's largest
    logarithm.
    """
    by_unit = np.argsort(unit_of_row, kind="stable")
    units, starts = np.unique(unit_of_row[by_unit], return_index=True)
    scores = query.log_scores(rows)[:, :, by_unit].astype(np.float64)
    if query.additive:
        total[:, :, units] += np.add.reduceat(scores, starts, axis=2)
        return
    former = peak[:, :, units]
    higher = np.maximum(former, np.maximum.reduceat(scores, starts, axis=2))
    repeats = np.diff(np.append(starts, len(by_unit)))
    added = np.add.reduceat(np.exp(scores - np.repeat(higher, repeats, axis=2)), starts, axis=2)
    total[:, :, units] = total[:, :, units] * np.exp(former - higher) + added
    peak[:, :, units] = higher


class _Tally:
    """The running sums and best units of one pass."""

    def __init__(
        self,
        query: Query,
        images: int,
        scales: int,
        keep: int,
        membership: Bool[np.ndarray, "unit member"] | None,
        *,
        one_order: bool,
    ) -> None:
        self.additive, self.keep, self.membership = query.additive, keep, membership
        self.orders = 1 if one_order else scales
        self.peak = np.zeros((images, scales)) if query.additive else np.full((images, scales), NOTHING)
        self.total, self.squares = np.zeros((images, scales)), np.zeros((images, scales))
        self.seen = np.zeros((images, scales, 0 if membership is None else membership.shape[1]))
        empty = np.empty(0), np.empty(0, dtype=np.int64)
        self.best = [[empty for _ in range(self.orders)] for _ in range(images)]

    def add(self, units: Int64[np.ndarray, " unit"], scores: Float64[np.ndarray, "image scale unit"]) -> None:
        """Take in some units with their scores or the logarithms of them."""
        for image, row in enumerate(scores):
            for order in range(self.orders):
                self.best[image][order] = _better(*self.best[image][order], row[order], units, self.keep)
        if not self.additive:
            higher = np.maximum(self.peak, scores.max(axis=2))
            shrink = np.exp(self.peak - higher)
            self.peak = higher
            self.total *= shrink
            self.squares *= shrink**2
            self.seen *= shrink[:, :, None]
            scores = np.exp(scores - higher[:, :, None].astype(scores.dtype))
        self.total += scores.sum(axis=2, dtype=np.float64)
        self.squares += np.square(scores).sum(axis=2, dtype=np.float64)
        if self.membership is not None:
            bits = self.membership[units].astype(scores.dtype)
            self.seen += (scores.reshape(-1, len(units)) @ bits).reshape(*scores.shape[:2], -1)

    def result(self, units: int) -> Scanned:
        """All that was found."""
        return Scanned(
            order=np.array([[units for _, units in orders] for orders in self.best], dtype=np.int64),
            peak=self.peak,
            total=self.total,
            squares=self.squares,
            seen=self.seen,
            units=units,
            additive=self.additive,
        )


def _better(
    values: Float64[np.ndarray, " kept"],
    kept: Int64[np.ndarray, " kept"],
    further: Float32[np.ndarray, " unit"] | Float64[np.ndarray, " unit"],
    units: Int64[np.ndarray, " unit"],
    keep: int,
) -> tuple[Float64[np.ndarray, " kept"], Int64[np.ndarray, " kept"]]:
    """The best of those kept and of some more; of equal ones at the end, those with the smaller
    numbers.
    """
    if len(values) >= keep:
        worth = np.flatnonzero(further >= values[-1])
        if not len(worth):
            return values, kept
        further, units = further[worth], units[worth]
    values, kept = np.concatenate([values, further.astype(np.float64)]), np.concatenate([kept, units])
    if len(values) > 4 * keep:
        # Only those that can be among the best, so that sorting stays cheap; equal ones all stay in
        # until they are sorted.
        least = -np.partition(-values, keep - 1)[keep - 1]
        enough = values >= least
        values, kept = values[enough], kept[enough]
    places = np.lexsort((kept, -values))[:keep]
    return values[places], kept[places]
