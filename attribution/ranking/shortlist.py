"""Ranks all units for some images and shortlists the units to test.

The shortlist never depends on the codes (:mod:`attribution.ranking.rankers.interface`): it takes
the best units of every ranker at every scale. Where rankers by prompt and others rank an image, the
two sorts share its places in turns, prompt first, so that half of what is tested has the nearest
captions and half is nearest otherwise. :mod:`attribution.ranking.grading` uses the codes to choose
a scale and a fusion, which order the display and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int64

from attribution.ranking.encoded_works import EncodedWorks
from attribution.ranking.rankers.fusion import WeightedRanker
from attribution.ranking.rankers.interface import Images, Query, Ranker, blocks
from attribution.ranking.rankers.kernel import mean_squared_differences
from attribution.ranking.rankers.scan import Scanned, UnitIndex, scan, scan_candidates, scores_of_units
from registry.errors import UsageError

WORK_BANDWIDTH = 0.01
"""Bandwidth of the weights of a unit's works in its test; fixed: a choice would need codes."""
IMAGES_AT_ONCE = 16
"""Images ranked at once: bounds memory and does not change the result."""
DEPTH = 200
"""Ranks from here on count alike; orders are kept at least up to here."""
SUMS_AT_ONCE = 2**24
"""Sums over units of many works in memory at once."""


@dataclass(frozen=True)
class Order:
    """The best units by one ranker at one scale, or at all of them."""

    ranker: str
    name: str
    """Of the ranker, and of the scale unless there is one order for all."""
    by_prompt: bool
    units: Int64[np.ndarray, " place"]


@dataclass(frozen=True)
class Shortlisted:
    """One image's shortlist, in display order, with the inputs of the test."""

    unit_numbers: Int64[np.ndarray, " place"]
    scores: Float64[np.ndarray, " place"]
    """Scores of the chosen fusion, standardised over all units."""
    images: Float64[np.ndarray, "place value"]
    """Per unit, the weighted mean of its works, in the members' space."""
    orders: tuple[Order, ...]
    """The best units by ranker and scale: the sources of the shortlist."""
    works: tuple[tuple[tuple[int, float, float], ...], ...]
    """Per unit, its closest works: row, mean squared difference, weight."""
    passed_over: tuple[tuple[int, int], ...]
    """Units, with rank, that cannot be tested and ranked above the last listed unit."""
    searched: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By ranker, how very many works were searched; a ranker that compares all is not in it."""

    def blind_order(self, length: int) -> Int64[np.ndarray, " place"]:
        """The best units, testable or not, in an order independent of the codes."""
        return shared_order(self.orders, length)

    @property
    def sources(self) -> dict[str, list[str]]:
        """The rankers with a say in this list, for the record; the two sorts take turns."""
        by_prompt = dict.fromkeys(order.ranker for order in self.orders if order.by_prompt)
        others = dict.fromkeys(order.ranker for order in self.orders if not order.by_prompt)
        return {"by_prompt": list(by_prompt), "others": list(others)}


def images_at_once(index: UnitIndex, scales: int, most: int = IMAGES_AT_ONCE) -> int:
    """Images that fit into one scan."""
    return most if index.single else max(1, min(most, SUMS_AT_ONCE // max(1, scales * index.unit_count)))


def shortlists_for(
    rankers: Sequence[Ranker],
    encoded: EncodedWorks,
    images: Images,
    parts: Sequence[WeightedRanker],
    length: int,
    works_per_unit: int,
) -> list[Shortlisted]:
    """Rank all units for some images; per image, list the first ``length`` that can be tested.

    Args:
        rankers: the rankers that make the shortlist; they must be chosen without the codes.
        encoded: the works and units.
        images: at the size of the works.
        parts: the fusion that orders the display, possibly chosen with the codes; if empty, the
            shortlist's own order is displayed.
        length: units to list, at most.
        works_per_unit: closest works to list per unit.

    Raises:
        UsageError: no unit can be tested.
        MissingPartError: a file, model or library that a ranker needs is absent.
    """
    step = min(images_at_once(encoded.index, len(ranker.scales)) for ranker in rankers)
    found = []
    for start in range(0, len(images), step):
        found += _shortlists(rankers, encoded, images.part(slice(start, start + step)), parts, length, works_per_unit)
    return found


@dataclass(frozen=True, eq=False)
class _Ranked:
    """One ranker's results on some images."""

    ranker: Ranker
    query: Query
    scanned: Scanned
    covers: list[bool]
    """Per image, whether the ranker has scores for it."""
    searched: Mapping[str, Any]
    """How very many works were searched; empty: all were compared, as always."""

    def orders_of(self, image: int) -> list[Order]:
        if not self.covers[image]:
            return []
        name, orders = self.ranker.name, self.scanned.order[image]
        scales = [""] if len(orders) == 1 else [f" at {scale:g}" for scale in self.ranker.scales]
        return [
            Order(name, f"{name}{scale}", self.ranker.by_prompt, order)
            for scale, order in zip(scales, orders, strict=True)
        ]


def _shortlists(
    rankers: Sequence[Ranker],
    encoded: EncodedWorks,
    images: Images,
    parts: Sequence[WeightedRanker],
    length: int,
    works_per_unit: int,
) -> list[Shortlisted]:
    # The number kept depends on what can be tested, and so on the codes; the order of the shortlist
    # does not, since ranks from DEPTH on count alike.
    keep = max(DEPTH, length + len(encoded.not_testable))
    ranked = []
    for ranker in rankers:
        query = ranker.prepare(images, encoded.source)
        # The sum over the works of a unit needs all of them.
        candidates = query.candidates() if encoded.index.single else None
        pixels, scales = encoded.source.pixels, len(ranker.scales)
        if candidates is None:
            scanned = scan(query, pixels, len(images), scales, encoded.index, keep)
        else:
            scanned = scan_candidates(query, candidates, len(pixels), scales, encoded.index, keep)
        searched = query.searched(used=candidates is not None)
        names = images.names or (frozenset(),) * len(images)
        covers = [ranker.covers(*known) for known in zip(names, images.prompts, strict=True)]
        ranked.append(_Ranked(ranker, query, scanned, covers, searched))
    chosen, passed_over, orders = [], [], []
    for image in range(len(images)):
        listed = [order for one in ranked for order in one.orders_of(image)]
        if not listed:
            raise UsageError(
                f"none of the rankers ({', '.join(one.name for one in rankers)}) has scores for this image: "
                "add --ranker pixel-kernel, or supply scores for it"
            )
        units = shared_order(listed, length + len(encoded.not_testable))
        testable = np.array([int(unit) not in encoded.not_testable for unit in units], dtype=np.bool_)
        if not testable.any():
            raise UsageError(
                "none of the units can be tested by the members that served: run `creditline retrain` first"
            )
        chosen.append(units[testable][:length])
        last = int(np.flatnonzero(testable)[len(chosen[-1]) - 1])
        passed_over.append(tuple((int(units[k]), int(k) + 1) for k in np.flatnonzero(~testable[:last])))
        orders.append(tuple(listed))
    union = np.unique(np.concatenate(chosen))
    scores = _fused_scores(ranked, encoded, parts, union, len(images))
    found, searched = [], {one.ranker.name: one.searched for one in ranked if one.searched}
    for image, units in enumerate(chosen):
        own = scores[image, np.searchsorted(union, units)]
        display = np.argsort(-own, kind="stable")
        works, pictures = closest_works(encoded, images.values[image], units[display], works_per_unit)
        found.append(
            Shortlisted(units[display], own[display], pictures, orders[image], works, passed_over[image], searched)
        )
    return found


def _fused_scores(
    ranked: Sequence[_Ranked],
    encoded: EncodedWorks,
    parts: Sequence[WeightedRanker],
    units: Int64[np.ndarray, " unit"],
    images: int,
) -> Float64[np.ndarray, "image unit"]:
    """The fusion's scores of a few units; a ranker without scores for an image is left out."""
    rows = [encoded.index.rows_of(int(unit)) for unit in units]
    fused, weight = np.zeros((images, len(units))), np.zeros((images, 1))
    for part in parts:
        one = next(one for one in ranked if one.ranker.name == part.name)
        scale = list(one.ranker.scales).index(part.scale)
        found = scores_of_units(one.query, rows, images, len(one.ranker.scales))
        covered = np.array(one.covers)[:, None]
        fused += np.where(covered, part.weight * one.scanned.standardised(found)[:, scale], 0.0)
        weight += part.weight * covered
    return np.divide(fused, weight, out=np.zeros_like(fused), where=weight > 0)


def shared_order(orders: Sequence[Order], length: int) -> Int64[np.ndarray, " place"]:
    """The first ``length`` units: in turns the next one by prompt and the next one by the others.

    Each sort of orders is merged on its own (:func:`merged_order`). A longer list starts with the
    shorter one.
    """
    sorts = [[order.units for order in orders if order.by_prompt is sort] for sort in (True, False)]
    merged = [merged_order(sort, length, DEPTH) for sort in sorts if sort]
    if len(merged) == 1:
        return merged[0]
    # A sort whose works an index named can have fewer units; then the other one goes on alone.
    both = min(map(len, merged))
    turns = np.concatenate([np.stack([units[:both] for units in merged], axis=1).ravel(), *(u[both:] for u in merged)])
    return turns[np.sort(np.unique(turns, return_index=True)[1])][:length]


def merged_order(orders: Sequence[Int64[np.ndarray, " place"]], length: int, depth: int) -> Int64[np.ndarray, " place"]:
    """One order from many: by best rank over the orders, then by mean rank, then by number.

    Args:
        orders: units, best first, one list per ranker and scale, each with at least ``depth`` units
            if there are as many.
        length: units to return, at most.
        depth: ranks from here on count as this rank in the mean, so that the length of the lists
            does not matter.
    """
    units = np.unique(np.concatenate(orders))
    ranks = np.empty((len(orders), len(units)))
    for row, order in enumerate(orders):
        ranks[row] = max(len(order), depth)
        ranks[row, np.searchsorted(units, order)] = np.arange(len(order))
    places = np.lexsort((units, np.minimum(ranks, depth).mean(axis=0), ranks.min(axis=0)))
    return units[places[:length]].astype(np.int64)


def closest_works(
    encoded: EncodedWorks,
    image: Float32[np.ndarray, " value"],
    units: Int64[np.ndarray, " place"],
    works_per_unit: int,
) -> tuple[tuple[tuple[tuple[int, float, float], ...], ...], Float64[np.ndarray, "place value"]]:
    """Per unit, the works closest to the image in pixels; the weighted mean work, in the members'
    space.
    """
    works, means = [], []
    for unit in units:
        rows = encoded.index.rows_of(int(unit))
        stretches = [rows[block] for block in blocks(len(rows), len(image))]
        differences = np.concatenate(
            [mean_squared_differences(image[None], encoded.pictures(part))[0] for part in stretches]
        )
        weights = np.exp(-(differences - differences.min()) / WORK_BANDWIDTH)
        weights /= weights.sum()
        parts = np.split(weights, np.cumsum([len(part) for part in stretches])[:-1])
        means.append(sum(own @ encoded.targets(part) for own, part in zip(parts, stretches, strict=True)))
        closest = np.argsort(differences, kind="stable")[:works_per_unit]
        works.append(tuple((int(rows[k]), float(differences[k]), float(weights[k])) for k in closest))
    return tuple(works), np.asarray(means, dtype=np.float64)
