"""One pass over all works in bounded memory: the best units of every image, and sums for grading.

Ten million works times a hundred images are a billion scores, too many to keep. Per image and scale
only the best few units are kept, the sums of the scores and of their squares, and for member-LDS
the sums over the units that each member saw. Scores are logarithms up to a constant, so the sums
are relative to the largest logarithm so far and are rescaled when it grows.

If units have many works, the scores of each unit's works are summed first.

Where an index names the works that can be among the best, only these are scored
(:func:`scan_candidates`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from attribution.ranking.rankers.interface import Candidates, Query, RowIndex, Rows, blocks

NOTHING = -3e38
"""Logarithm of 0, but finite, so that it can be subtracted from itself."""
UNITS_AT_ONCE, ROWS_AT_ONCE = 65_536, 1024
SCORES_AT_ONCE = 2**22
"""Scores of drawn works in memory at once."""


@dataclass(frozen=True, eq=False)
class UnitIndex:
    """The unit of each work, and the works of each unit."""

    unit_of_work: Int64[np.ndarray, " work"]
    unit_count: int
    single: bool
    """Whether each unit has at most one work."""
    present: Int64[np.ndarray, " unit"]
    """Units that have works, ascending."""

    @classmethod
    def of(cls, unit_of_work: Int64[np.ndarray, " work"], unit_count: int) -> UnitIndex:
        """The index from the unit of each work."""
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
    """Result of one pass; a score is exp(log_score - peak) or, if additive, log_score."""

    order: Int64[np.ndarray, "image order place"]
    """The best units: one order per scale, or one for all scales."""
    peak: Float64[np.ndarray, "image scale"]
    total: Float64[np.ndarray, "image scale"]
    squares: Float64[np.ndarray, "image scale"]
    seen: Float64[np.ndarray, "image scale member"]
    """Sums over the units that each member saw; without ``membership``, no members."""
    units: Int64[np.ndarray, " image"]
    """Number of units with works that were scored for each image."""
    additive: bool = False
    """Whether scores are plain, not logarithms."""

    def mean(self) -> Float64[np.ndarray, "image scale"]:
        """Mean score of the units with works."""
        return np.asarray(self.total / self.units[:, None])

    def deviation(self) -> Float64[np.ndarray, "image scale"]:
        """Standard deviation over units with works; 0: all scores are equal up to rounding."""
        mean_square = self.squares / self.units[:, None]
        variance = mean_square - self.mean() ** 2
        return np.asarray(np.sqrt(np.where(variance > 1e-12 * mean_square, variance, 0.0)))

    def standardised(self, scores: Float64[np.ndarray, "image scale unit"]) -> Float64[np.ndarray, "image scale unit"]:
        """Scores (logarithms, unless additive) standardised over all units; 0: all are equal."""
        plain = scores if self.additive else np.exp(np.minimum(scores - self.peak[:, :, None], 0.0))
        centred, deviation = plain - self.mean()[:, :, None], self.deviation()[:, :, None]
        return np.asarray(np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 0))

    def standardised_seen(self, seen_units: Int64[np.ndarray, " member"]) -> Float64[np.ndarray, "image scale member"]:
        """Sums of standardised scores over the units that each member saw."""
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
    left_out: Int64[np.ndarray, " image"] | None = None,
) -> Scanned:
    """Score all works for the images of a query.

    ``works``: only their number and width, which decide the blocks, are used. ``keep``: units in
    each order, at most. ``membership``: whether a member saw a unit; None: no sums per member.
    ``left_out``: per image, a unit that is not scored, -1 for none; None: none for any image.
    """
    absent = np.full(images, -1) if left_out is None else left_out
    tally = _Tally(query, images, scales, keep, membership, absent, one_order=query.same_order and index.single)
    if index.single:
        for block in blocks(len(works), works.width):
            tally.add(index.unit_of_work[block], query.log_scores(block))
    else:
        summed = summed_scores(query, works, images, scales, index)
        for start in range(0, len(index.present), UNITS_AT_ONCE):
            units = index.present[start : start + UNITS_AT_ONCE]
            tally.add(units, summed[:, :, units])
    return tally.result(len(index.present) - np.isin(absent, index.present).astype(np.int64))


def scan_candidates(
    query: Query, candidates: Candidates, works: int, scales: int, index: UnitIndex, keep: int
) -> Scanned:
    """Score only the works that can be among the best; units have at most one work each.

    The best units are the best of the candidates. Sums over all works are estimated: the candidates
    count as they are, and the drawn works that are no candidates stand for all others.
    """
    order, shape = [], (len(candidates.rows), scales)
    peak, total, squares = np.empty(shape), np.empty(shape), np.empty(shape)
    step = max(1, SCORES_AT_ONCE // (len(candidates.rows) * scales))
    parts = [candidates.drawn[start : start + step] for start in range(0, len(candidates.drawn), step)]
    drawn = np.concatenate([query.log_scores(part) for part in parts], axis=2).astype(np.float64)
    for image, rows in enumerate(candidates.rows):
        own = query.log_scores(rows)[image].astype(np.float64)
        others = drawn[image][:, ~np.isin(candidates.drawn, rows, assume_unique=True)]
        share = (works - len(rows)) / max(1, others.shape[1])
        peak[image] = 0.0 if query.additive else np.maximum(own.max(axis=1), others.max(axis=1, initial=NOTHING))
        orders = range(1) if query.same_order else range(scales)
        units, none = index.unit_of_work[rows], (np.empty(0), np.empty(0, dtype=np.int64))
        order.append([_better(*none, own[scale], units, keep)[1] for scale in orders])
        if not query.additive:
            own, others = np.exp(own - peak[image][:, None]), np.exp(others - peak[image][:, None])
        total[image] = own.sum(axis=1) + share * others.sum(axis=1)
        squares[image] = (own**2).sum(axis=1) + share * (others**2).sum(axis=1)
    places = min(len(one) for orders in order for one in orders)
    return Scanned(
        order=np.array([[one[:places] for one in orders] for orders in order], dtype=np.int64),
        peak=peak,
        total=total,
        squares=squares,
        seen=np.zeros((*shape, 0)),
        units=np.full(shape[0], len(index.present)),
        additive=query.additive,
    )


def summed_scores(
    query: Query, works: Rows, images: int, scales: int, index: UnitIndex
) -> Float64[np.ndarray, "image scale unit"]:
    """Scores of all units, each the sum over its works; logarithms, unless the query is additive.

    Units without works have :data:`NOTHING`, or 0 if the query is additive.
    """
    parts = ((block, index.unit_of_work[block]) for block in blocks(len(works), works.width))
    return _summed(query, parts, (images, scales, index.unit_count))


def scores_of_units(
    query: Query, rows_of_units: list[Int64[np.ndarray, " row"]], images: int, scales: int
) -> Float64[np.ndarray, "image scale unit"]:
    """Scores of a few units, as in :func:`summed_scores`."""
    rows = np.concatenate(rows_of_units)
    unit_of_row = np.repeat(np.arange(len(rows_of_units)), [len(rows) for rows in rows_of_units])
    parts = ((rows[k : k + ROWS_AT_ONCE], unit_of_row[k : k + ROWS_AT_ONCE]) for k in range(0, len(rows), ROWS_AT_ONCE))
    return _summed(query, parts, (images, scales, len(rows_of_units)))


def _summed(
    query: Query, parts: Iterable[tuple[RowIndex, Int64[np.ndarray, " row"]]], shape: tuple[int, int, int]
) -> Float64[np.ndarray, "image scale unit"]:
    """Scores of units from parts of the works, each with the unit of every row."""
    total, peak = np.zeros(shape), np.full(shape, NOTHING)
    for rows, unit_of_row in parts:
        _add_block(query, rows, unit_of_row, total, peak)
    if query.additive:
        return total
    return np.asarray(np.add(peak, np.log(total, out=np.zeros_like(total), where=total > 0)))


def _add_block(
    query: Query,
    rows: RowIndex,
    unit_of_row: Int64[np.ndarray, " row"],
    total: Float64[np.ndarray, "image scale unit"],
    peak: Float64[np.ndarray, "image scale unit"],
) -> None:
    """Add works to sums of units: plain scores, or exponentials relative to the largest."""
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
        left_out: Int64[np.ndarray, " image"],
        *,
        one_order: bool,
    ) -> None:
        self.additive, self.keep, self.membership, self.left_out = query.additive, keep, membership, left_out
        self.orders = 1 if one_order else scales
        self.peak = np.zeros((images, scales)) if query.additive else np.full((images, scales), NOTHING)
        self.total, self.squares = np.zeros((images, scales)), np.zeros((images, scales))
        self.seen = np.zeros((images, scales, 0 if membership is None else membership.shape[1]))
        empty = np.empty(0), np.empty(0, dtype=np.int64)
        self.best = [[empty for _ in range(self.orders)] for _ in range(images)]

    def add(self, units: Int64[np.ndarray, " unit"], scores: Float64[np.ndarray, "image scale unit"]) -> None:
        """Add some units with their scores or log scores."""
        absent = units[None, :] == self.left_out[:, None]
        if absent.any():
            scores = np.where(absent[:, None, :], scores.dtype.type(NOTHING), scores)
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
        if absent.any():
            scores = np.where(absent[:, None, :], scores.dtype.type(0), scores)
        self.total += scores.sum(axis=2, dtype=np.float64)
        self.squares += np.square(scores).sum(axis=2, dtype=np.float64)
        if self.membership is not None:
            bits = self.membership[units].astype(scores.dtype)
            self.seen += (scores.reshape(-1, len(units)) @ bits).reshape(*scores.shape[:2], -1)

    def result(self, units: Int64[np.ndarray, " image"]) -> Scanned:
        """The result; ``units`` is the number of units scored for each image."""
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
    """The best of the kept units and some more; ties go to the smaller number."""
    if len(values) >= keep:
        worth = np.flatnonzero(further >= values[-1])
        if not len(worth):
            return values, kept
        further, units = further[worth], units[worth]
    values, kept = np.concatenate([values, further.astype(np.float64)]), np.concatenate([kept, units])
    if len(values) > 4 * keep:
        # Sort only units that can be among the best; ties with the last one stay in.
        least = -np.partition(-values, keep - 1)[keep - 1]
        enough = values >= least
        values, kept = values[enough], kept[enough]
    places = np.lexsort((kept, -values))[:keep]
    return values[places], kept[places]
