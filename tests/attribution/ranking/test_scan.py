"""The pass over all works agrees with all scores in memory, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest

from attribution.ranking.rankers.interface import Candidates, Images, Query, Ranker, Works, dense_scores
from attribution.ranking.rankers.kernel import PixelKernel
from attribution.ranking.rankers.responsibilities import Responsibilities
from attribution.ranking.rankers.scan import UnitIndex, scan, scan_candidates, scores_of_units, summed_scores
from registry.encodings.codes import codes_of
from registry.encodings.words import bits

WORKS, VALUES, UNITS, N = 300, 24, 40, 6
RANKERS = (PixelKernel(), Responsibilities())


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several blocks for a few works, several parts for a few units."""
    monkeypatch.setattr("attribution.ranking.rankers.interface.VALUES_AT_ONCE", 64 * VALUES)
    monkeypatch.setattr("attribution.ranking.rankers.scan.UNITS_AT_ONCE", 16)


def query_of(ranker: Ranker) -> tuple[Query, Works]:
    """A query for three images near some works."""
    rng = np.random.default_rng(0)
    works = rng.random((WORKS, VALUES)).astype(np.float32)
    images = np.clip(works[[5, 120, 299]] + rng.normal(scale=0.1, size=(3, VALUES)), 0, 1)
    held = Works.flat(works)
    return ranker.prepare(Images.flat(images), held), held


@pytest.mark.parametrize("ranker", RANKERS, ids=lambda ranker: ranker.name)
@pytest.mark.parametrize("units", [UNITS, WORKS])
def test_a_scan_is_what_all_scores_at_once_give(ranker: Ranker, units: int) -> None:
    """Best units, mean, deviation and members' sums, for units of many works and of one."""
    query, works = query_of(ranker)
    unit_of_work = np.random.default_rng(1).permutation(np.arange(WORKS) % units)
    membership = bits(codes_of(0, N, 3, np.arange(units) % 20), N)
    dense = dense_scores(query, WORKS).transpose(1, 0, 2)
    summed = np.stack([[np.bincount(unit_of_work, row, units) for row in image] for image in dense])
    scales = len(ranker.scales)
    found = scan(query, works.pixels, 3, scales, UnitIndex.of(unit_of_work, units), 7, membership)
    mean, deviation = summed.mean(axis=2, keepdims=True), summed.std(axis=2, keepdims=True)
    standardised = (summed - mean) / deviation
    np.testing.assert_allclose(
        found.standardised_seen(membership.sum(axis=0)), standardised @ membership, rtol=1e-3, atol=2e-3
    )
    np.testing.assert_allclose(found.deviation() / found.mean(), (deviation / mean)[:, :, 0], rtol=1e-3)
    assert found.order.shape[2] == 7
    for image in range(3):
        for order, row in enumerate(found.order[image]):
            np.testing.assert_allclose(summed[image, order][row], np.sort(summed[image, order])[::-1][:7], rtol=1e-3)


def test_candidates_alone_give_the_best_units_and_nearly_the_same_sums() -> None:
    """The best of the candidates, each image by its own; the drawn works stand for the others.

    With all other works drawn, sums are those of the scan of all works.
    """
    query, works = query_of(PixelKernel())
    units = np.random.default_rng(1).permutation(WORKS)
    index, scales = UnitIndex.of(units, WORKS), len(PixelKernel.scales)
    exact = scan(query, works.pixels, 3, scales, index, 20)
    row_of_unit = np.argsort(units)
    rows = tuple(np.sort(row_of_unit[image[0]]) for image in exact.order)
    for drawn, tolerance in ((np.arange(WORKS), 1e-5), (np.arange(0, WORKS, 2), 0.5)):
        found = scan_candidates(query, Candidates(rows, drawn), WORKS, scales, index, 7)
        assert found.order.tolist() == exact.order[:, :, :7].tolist()
        np.testing.assert_allclose(found.peak, exact.peak, rtol=1e-5)
        np.testing.assert_allclose(found.mean(), exact.mean(), rtol=tolerance)
        np.testing.assert_allclose(found.deviation(), exact.deviation(), rtol=tolerance)
        assert found.units.tolist() == exact.units.tolist()


@pytest.mark.parametrize("ranker", RANKERS, ids=lambda ranker: ranker.name)
@pytest.mark.parametrize("units", [UNITS, WORKS])
def test_a_unit_that_is_left_out_is_as_if_it_were_not_there(ranker: Ranker, units: int) -> None:
    """Also where it is the image's own, beside which every other score is 0 up to rounding."""
    query, works = query_of(ranker)
    unit_of_work = np.random.default_rng(1).permutation(np.arange(WORKS) % units)
    membership = bits(codes_of(0, N, 3, np.arange(units) % 20), N)
    left_out = unit_of_work[[5, 120, 299]]
    left_out[2] = -1
    index, scales = UnitIndex.of(unit_of_work, units), len(ranker.scales)
    found = scan(query, works.pixels, 3, scales, index, 7, membership, left_out)
    logs = np.log(np.maximum(np.exp(summed_scores(query, works.pixels, 3, scales, index)), 1e-300))
    for image, unit in enumerate(left_out):
        others = np.arange(units) != unit
        scores = np.exp(logs[image][:, others] - logs[image][:, others].max(axis=1, keepdims=True))
        standardised = (scores - scores.mean(axis=1, keepdims=True)) / scores.std(axis=1, keepdims=True)
        unseen = np.flatnonzero(~membership[unit]) if unit >= 0 else np.arange(N)
        sums = found.standardised_seen(membership.sum(axis=0))[image][:, unseen]
        np.testing.assert_allclose(sums, standardised @ membership[others][:, unseen], rtol=2e-3, atol=5e-3)
        assert unit not in found.order[image]
    assert found.units.tolist() == [units - 1, units - 1, units]


def test_one_order_serves_all_bandwidths_of_single_works() -> None:
    """For units of one work a kernel's order is the same at every bandwidth: one is kept."""
    query, works = query_of(PixelKernel())
    single = scan(query, works.pixels, 3, len(PixelKernel.scales), UnitIndex.of(np.arange(WORKS), WORKS), 300)
    assert single.order.shape == (3, 1, 300)
    expected = np.argsort(-query.log_scores(slice(0, WORKS))[:, 3], axis=1, kind="stable")
    np.testing.assert_array_equal(single.order[:, 0], expected)


def test_far_units_keep_their_order_where_scores_underflow() -> None:
    """exp(-1000) is 0, but the better unit stays better, also among units of many works."""

    class Far(Query):
        def log_scores(self, rows: slice | np.ndarray) -> np.ndarray:
            return -1000.0 * np.arange(12, dtype=np.float32)[rows][None, None]

    works = Works.flat(np.zeros((12, 1)))
    for unit_of_work in (np.arange(12), np.arange(12) // 2):
        found = scan(Far(), works.pixels, 1, 1, UnitIndex.of(unit_of_work, unit_of_work.max() + 1), 12)
        assert found.order[0, 0].tolist() == sorted(set(unit_of_work.tolist()))


def test_equal_units_come_in_order_of_their_numbers() -> None:
    """The order is a function of the scores alone, for any number kept."""

    class Equal(Query):
        def log_scores(self, rows: slice | np.ndarray) -> np.ndarray:
            return np.zeros((1, 1, len(np.arange(WORKS)[rows])), dtype=np.float32)

    works = Works.flat(np.zeros((WORKS, VALUES)))
    found = scan(Equal(), works.pixels, 1, 1, UnitIndex.of(np.arange(WORKS), WORKS), 5)
    assert found.order[0, 0].tolist() == [0, 1, 2, 3, 4]
    assert found.standardised(np.zeros((1, 1, 3))).tolist() == [[[0.0, 0.0, 0.0]]]


def test_scores_of_a_few_units_are_those_of_all() -> None:
    """Scoring only a unit's works agrees with the pass over all works."""
    query, works = query_of(PixelKernel())
    index = UnitIndex.of(np.arange(WORKS) % UNITS, UNITS)
    everything = summed_scores(query, works.pixels, 3, 8, index)
    few = scores_of_units(query, [index.rows_of(unit) for unit in (3, 39)], 3, 8)
    np.testing.assert_allclose(few, everything[:, :, [3, 39]], rtol=1e-3, atol=1e-3)


def test_units_without_works_are_in_no_order() -> None:
    """They have no score and do not count in means."""
    query, works = query_of(PixelKernel())
    found = scan(query, works.pixels, 3, 8, UnitIndex.of(np.arange(WORKS) % UNITS * 2, 2 * UNITS), 80)
    assert found.units.tolist() == [UNITS] * 3
    assert (found.order % 2 == 0).all()
    assert found.order.shape[2] == UNITS
