"""Ranking a whole encoding: what is tested never depends on the codes, and a choice does not grade itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from attribution.rankers.pixel_kernel import BANDWIDTHS, PixelKernel
from attribution.ranking import Corpus, choose_scale, cross_fitted, shortlist_for
from registry.codes import bits, codes_of

N, H, UNITS, WORKS = 8, 4, 12, 60


@pytest.fixture
def corpus() -> Corpus:
    """Sixty works of twelve units."""
    rng = np.random.default_rng(0)
    return Corpus(
        works=rng.random((WORKS, 30)).astype(np.float32),
        unit_of_work=np.arange(WORKS) % UNITS,
        asset_ids=np.arange(WORKS),
        paths=[Path(f"{number}.png") for number in range(WORKS)],
        hashes=[f"{number:064x}" for number in range(WORKS)],
        codes=codes_of(0, N, H, np.arange(UNITS)),
        n=N,
        membership=bits(codes_of(0, N, H, np.arange(UNITS)), N),
        not_testable={},
    )


def test_shortlist_is_blind_to_codes_and_to_the_chosen_scale(corpus: Corpus) -> None:
    """Other codes, or another displayed scale, and the same units are tested with the same images and weights."""
    image = corpus.works[7] * 0.8 + 0.1
    listed = shortlist_for(PixelKernel(), corpus, image, BANDWIDTHS[0], 5, 2)
    for codes, scale in ((codes_of(9, N, H, np.arange(UNITS)), BANDWIDTHS[0]), (corpus.codes, BANDWIDTHS[-1])):
        other = shortlist_for(
            PixelKernel(), replace(corpus, codes=codes, membership=bits(codes, N)), image, scale, 5, 2
        )
        np.testing.assert_array_equal(other.unit_numbers, listed.unit_numbers)
        np.testing.assert_array_equal(other.images, listed.images)
        assert other.works == listed.works


def test_unit_of_the_copied_work_leads_and_lists_it_first(corpus: Corpus) -> None:
    """Unit 7 owns work 7; its image is nearly that work alone."""
    listed = shortlist_for(PixelKernel(), corpus, corpus.works[7], 0.01, 3, 2)
    assert listed.unit_numbers[0] == 7
    assert listed.works[0][0][0] == 7
    assert listed.works[0][0][1] == 0.0
    np.testing.assert_allclose(listed.images[0], 2 * corpus.works[7] - 1, atol=0.05)


def test_grade_is_cross_fitted() -> None:
    """Each half is graded at the scale that the other half would choose."""
    correlations = np.array([[0.9, 0.1, 0.9, 0.1], [0.2, 0.8, 0.2, 0.8]])
    np.testing.assert_array_equal(cross_fitted(correlations), [0.2, 0.1, 0.2, 0.1])


def test_scale_with_the_best_grade_is_chosen(corpus: Corpus) -> None:
    """Losses made from the scores of one bandwidth lead to that bandwidth, whatever the size of the blocks."""
    rng = np.random.default_rng(1)
    images = np.clip(corpus.works[rng.integers(0, WORKS, 40)] + rng.normal(scale=0.15, size=(40, 30)), 0, 1)
    ranker = PixelKernel()
    scores = ranker.score(images, corpus.works)[5]
    summed = np.stack([np.bincount(corpus.unit_of_work, row, UNITS) for row in scores])
    loss = -(summed - summed.mean(axis=1, keepdims=True)) @ bits(corpus.codes, N)
    choice = choose_scale(ranker, corpus, images, loss)
    assert choice.scale == BANDWIDTHS[5]
    assert choice.grade is not None
    assert choice.grade.value > 0.9
    assert choice.by_scale[5] == pytest.approx(1.0)


def test_too_few_images_choose_nothing(corpus: Corpus) -> None:
    """Then the displayed scale is the default, and the grade is not measured, with its reason."""
    choice = choose_scale(PixelKernel(), corpus, np.empty((0, 0)), np.empty((0, 0)))
    assert choice.grade is None
    assert "generate more" in choice.to_json(PixelKernel())["member_lds"]["not_measured"]
