"""Layer 1 on a whole encoding: rank all units for some images, and shortlist those that are tested.

The order of what is tested never depends on the codes, see
:mod:`attribution.ranking.rankers.interface`: every ranker and every scale that an audit was told to
use has its say in it. The choice of a scale and of a fusion, made with the codes, orders what is
displayed and nothing else; :mod:`attribution.ranking.grading` makes and grades it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64

from attribution.ranking.corpus import (
    SEEN_BY_ALL,
    SEEN_BY_NONE,
    Corpus,
    load_corpus,
    reasons_not_to_test,
)
from attribution.ranking.rankers.fusion import Part
from attribution.ranking.rankers.interface import Images, Query, Ranker, blocks, shortlist
from attribution.ranking.rankers.kernel import mean_squared_differences
from attribution.ranking.rankers.scan import Scanned, UnitIndex, scan, scores_of_units
from registry.errors import UsageError

__all__ = [
    "SEEN_BY_ALL",
    "SEEN_BY_NONE",
    "Corpus",
    "Shortlisted",
    "closest_works",
    "images_at_once",
    "load_corpus",
    "reasons_not_to_test",
    "shortlists_for",
]

WORK_BANDWIDTH = 0.01
"""Bandwidth of the weights of a unit's works in its test. Fixed, since a chosen one would know a
little of the codes."""
IMAGES_AT_ONCE = 16
"""Images that are ranked together, at most: bounds memory, changes nothing else."""
DEPTH = 200
"""Ranks count up to here; those further down are all as bad. Orders are kept at least so far."""
SUMS_AT_ONCE = 2**24
"""Sums over units of many works that are kept at a time."""


@dataclass(frozen=True)
class Shortlisted:
    """One image's shortlist, in the order of its display, and what the test needs of it."""

    unit_numbers: Int64[np.ndarray, " place"]
    scores: Float64[np.ndarray, " place"]
    """Of the chosen fusion, standardised over all units."""
    images: Float64[np.ndarray, "place value"]
    """Per unit, the weighted mean of its works, in [-1, 1]."""
    orders: tuple[tuple[str, Int64[np.ndarray, " place"]], ...]
    """The best units of every ranker and scale, which the shortlist was taken from."""
    works: tuple[tuple[tuple[int, float, float], ...], ...]
    """Per unit, its closest works: row of the corpus, mean squared difference, weight."""
    passed_over: tuple[tuple[int, int], ...]
    """Units that cannot be tested and were ranked before the last that is listed: unit, its rank
    among all units."""

    def blind_order(self, length: int) -> Int64[np.ndarray, " place"]:
        """The best units as they would be shortlisted, testable or not: an order that has not seen
        the codes.
        """
        return shortlist([order for _, order in self.orders], length, DEPTH)


def images_at_once(index: UnitIndex, scales: int, most: int = IMAGES_AT_ONCE) -> int:
    """How many images may be scanned for together."""
    return most if index.single else max(1, min(most, SUMS_AT_ONCE // max(1, scales * index.unit_count)))


def shortlists_for(
    rankers: Sequence[Ranker],
    corpus: Corpus,
    images: Images,
    parts: Sequence[Part],
    length: int,
    works_per_unit: int,
) -> list[Shortlisted]:
    """Rank all units for some images and keep, of each, the first ``length`` that can be tested.

    Args:
        rankers: all that have a say in what is tested, chosen without the codes.
        corpus: the works and units.
        images: at the size of the works.
        parts: the fusion that orders the display, which may have been chosen with the codes;
            without any, the order is that of the shortlist.
        length: units to list, at most.
        works_per_unit: closest works to name of each.

    Raises:
        UsageError: no unit can be tested.
        MissingPartError: what a ranker needs is not there.
    """
    step = min(images_at_once(corpus.index, len(ranker.scales)) for ranker in rankers)
    found = []
    for start in range(0, len(images), step):
        found += _shortlists(rankers, corpus, images.part(slice(start, start + step)), parts, length, works_per_unit)
    return found


@dataclass(frozen=True, eq=False)
class _Ranked:
    """One ranker's say on some images."""

    ranker: Ranker
    query: Query
    scanned: Scanned
    covers: list[bool]
    """Per image, whether the ranker has scores for it."""

    def orders_of(self, image: int) -> list[tuple[str, Int64[np.ndarray, " place"]]]:
        if not self.covers[image]:
            return []
        orders = self.scanned.order[image]
        scales = [""] if len(orders) == 1 else [f" at {scale:g}" for scale in self.ranker.scales]
        return [(f"{self.ranker.name}{scale}", order) for scale, order in zip(scales, orders, strict=True)]


def _shortlists(
    rankers: Sequence[Ranker], corpus: Corpus, images: Images, parts: Sequence[Part], length: int, works_per_unit: int
) -> list[Shortlisted]:
    # How many are kept depends on what can be tested, and so on codes; the order of the shortlist
    # does not, see DEPTH.
    keep = max(DEPTH, length + len(corpus.not_testable))
    ranked = []
    for ranker in rankers:
        query = ranker.prepare(images, corpus.source)
        scanned = scan(query, corpus.source.pixels, len(images), len(ranker.scales), corpus.index, keep)
        covers = [ranker.covers(names) for names in images.names or (frozenset(),) * len(images)]
        ranked.append(_Ranked(ranker, query, scanned, covers))
    chosen, passed_over, orders = [], [], []
    for image in range(len(images)):
        listed = [order for one in ranked for order in one.orders_of(image)]
        if not listed:
            raise UsageError(
                f"none of the rankers ({', '.join(one.name for one in rankers)}) has scores for this image: "
                "add --ranker pixel-kernel, or supply scores for it"
            )
        units = shortlist([order for _, order in listed], length + len(corpus.not_testable), DEPTH)
        testable = np.array([int(unit) not in corpus.not_testable for unit in units], dtype=np.bool_)
        if not testable.any():
            raise UsageError(
                "none of the units can be tested by the members that served: run `creditline retrain` first"
            )
        chosen.append(units[testable][:length])
        last = int(np.flatnonzero(testable)[len(chosen[-1]) - 1])
        passed_over.append(tuple((int(units[k]), int(k) + 1) for k in np.flatnonzero(~testable[:last])))
        orders.append(tuple(listed))
    union = np.unique(np.concatenate(chosen))
    scores = _fused_scores(ranked, corpus, parts, union, len(images))
    found = []
    for image, units in enumerate(chosen):
        own = scores[image, np.searchsorted(union, units)]
        display = np.argsort(-own, kind="stable")
        works, pictures = closest_works(corpus, images.values[image], units[display], works_per_unit)
        found.append(Shortlisted(units[display], own[display], pictures, orders[image], works, passed_over[image]))
    return found


def _fused_scores(
    ranked: Sequence[_Ranked], corpus: Corpus, parts: Sequence[Part], units: Int64[np.ndarray, " unit"], images: int
) -> Float64[np.ndarray, "image unit"]:
    """The fusion's scores of a few units; what a ranker has no scores for is left out for that
    image.
    """
    rows = [corpus.index.rows_of(int(unit)) for unit in units]
    fused, weight = np.zeros((images, len(units))), np.zeros((images, 1))
    for part in parts:
        one = next(one for one in ranked if one.ranker.name == part.name)
        scale = list(one.ranker.scales).index(part.scale)
        found = scores_of_units(one.query, rows, images, len(one.ranker.scales))
        covered = np.array(one.covers)[:, None]
        fused += np.where(covered, part.weight * one.scanned.standardised(found)[:, scale], 0.0)
        weight += part.weight * covered
    return np.divide(fused, weight, out=np.zeros_like(fused), where=weight > 0)


def closest_works(
    corpus: Corpus,
    image: Float32[np.ndarray, " value"],
    units: Int64[np.ndarray, " place"],
    works_per_unit: int,
) -> tuple[tuple[tuple[tuple[int, float, float], ...], ...], Float64[np.ndarray, "place value"]]:
    """Of each unit its works that are closest in pixels, and the mean of all its works, weighted by
    closeness.
    """
    works, pictures = [], np.empty((len(units), len(image)))
    for place, unit in enumerate(units):
        rows = corpus.index.rows_of(int(unit))
        stretches = [rows[block] for block in blocks(len(rows), len(image))]
        differences = np.concatenate(
            [mean_squared_differences(image[None], corpus.pictures(part))[0] for part in stretches]
        )
        weights = np.exp(-(differences - differences.min()) / WORK_BANDWIDTH)
        weights /= weights.sum()
        mean, done = np.zeros(len(image)), 0
        for part in stretches:
            mean += weights[done : done + len(part)] @ (2.0 * corpus.pictures(part).astype(np.float64) - 1.0)
            done += len(part)
        pictures[place] = mean
        closest = np.argsort(differences, kind="stable")[:works_per_unit]
        works.append(tuple((int(rows[k]), float(differences[k]), float(weights[k])) for k in closest))
    return tuple(works), pictures
