"""Ranking a whole encoding: the tested units never depend on codes; choices grade others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from attribution.ranking.encoded_works import EncodedWorks
from attribution.ranking.grading import GradedImages, RankerChoice, grade_rankers
from attribution.ranking.rankers.captions import Captions
from attribution.ranking.rankers.fusion import WeightedRanker
from attribution.ranking.rankers.interface import Images, Ranker, Texts
from attribution.ranking.rankers.kernel import BANDWIDTHS, PixelKernel
from attribution.ranking.rankers.responsibilities import Responsibilities
from attribution.ranking.shortlist import Order, Shortlisted, shared_order, shortlists_for
from registry.encodings.codes import codes_of
from registry.encodings.words import bits

N, H, UNITS, WORKS = 8, 4, 12, 60
AT_0_01 = (WeightedRanker("pixel-kernel", 0.01, 1.0),)


def corpus_of(units: int) -> EncodedWorks:
    """Sixty works in this many units."""
    codes = codes_of(0, N, H, np.arange(units))
    works = np.random.default_rng(0).random((WORKS, 30)).astype(np.float32)
    return EncodedWorks.in_memory(works, np.arange(WORKS) % units, codes, bits(codes, N))


@pytest.fixture
def encoded() -> EncodedWorks:
    """Sixty works of twelve units."""
    return corpus_of(UNITS)


WORDS = ("zero", "one", "two", "three", "four", "five")


def with_texts(encoded: EncodedWorks) -> EncodedWorks:
    """Every sixth work has the same caption."""
    return replace(encoded, source=replace(encoded.source, texts=Texts(WORDS, np.arange(WORKS) % 6)))


def listed(
    encoded: EncodedWorks,
    image: np.ndarray,
    parts: Sequence[WeightedRanker],
    rankers: Sequence[Ranker] = (PixelKernel(),),
    length: int = 5,
) -> Shortlisted:
    return shortlists_for(rankers, encoded, Images.flat(image[None]), parts, length, 2)[0]


def samples_for(encoded: EncodedWorks, count: int, loss: np.ndarray | None = None) -> GradedImages:
    """Noisy copies of works, with random losses unless given."""
    rng = np.random.default_rng(1)
    copies = np.clip(encoded.works[rng.integers(0, WORKS, count)] + rng.normal(scale=0.15, size=(count, 30)), 0, 1)
    images = Images(copies.astype(np.float32), (30, 1, 1), (frozenset(),) * count)
    return GradedImages(images, rng.random((count, encoded.membership.shape[1])) if loss is None else loss)


@pytest.mark.parametrize("units", [UNITS, WORKS])
def test_redrawn_codes_never_change_what_is_tested(units: int) -> None:
    """Redrawn codes, and the fusion that they choose, leave tested units and images the same.

    The choices differ, or the test would show nothing.
    """
    encoded = corpus_of(units)
    rankers = (PixelKernel(), Responsibilities())
    samples = samples_for(encoded, 12)
    tested, chosen = [], []
    for seed in range(4):
        codes = codes_of(seed, N, H, np.arange(units))
        redrawn = replace(encoded, codes=codes, membership=bits(codes, N))
        choice = grade_rankers(rankers, redrawn, samples).choices.generated
        found = listed(redrawn, encoded.works[7] * 0.8 + 0.1, choice.parts, rankers)
        order = np.argsort(found.unit_numbers)
        tested.append((found.unit_numbers[order], found.images[order], [found.works[place] for place in order]))
        chosen.append(choice.parts)
    assert len(set(chosen)) > 1
    for numbers, images, works in tested[1:]:
        np.testing.assert_array_equal(numbers, tested[0][0])
        np.testing.assert_array_equal(images, tested[0][1])
        assert works == tested[0][2]


def test_what_cannot_be_tested_moves_no_other_unit(encoded: EncodedWorks) -> None:
    """Codes may decide whether a unit can be tested; the others keep their places."""
    image = encoded.works[7] * 0.8 + 0.1
    everyone = listed(encoded, image, (), length=UNITS).unit_numbers.tolist()
    for missing in (everyone[0], everyone[3]):
        found = listed(replace(encoded, not_testable={missing: "gone"}), image, (), length=4)
        assert found.unit_numbers.tolist() == [unit for unit in everyone if unit != missing][:4]
        assert found.passed_over == ((missing, everyone.index(missing) + 1),)


def test_prompt_and_picture_share_the_shortlist_in_turns() -> None:
    """The first by captions, the first by pictures, the second by captions, ...; without a prompt
    the list is that of pictures, and redrawn codes change none of it.
    """
    encoded = with_texts(corpus_of(WORKS))
    rankers = (PixelKernel(), Captions(lambda _: None))
    image = Images(encoded.works[7:8] * 0.8 + 0.1, encoded.shape, texts=("two",))

    def tested(images: Images, which: Sequence[Ranker] = rankers, length: int = 6) -> list[int]:
        found = shortlists_for(which, encoded, images, (), length, 2)[0]
        assert found.blind_order(length).tolist() == found.unit_numbers.tolist()
        return [int(unit) for unit in found.unit_numbers]

    pictures, captions = (tested(image, [one]) for one in rankers)
    assert {unit % 6 for unit in captions} == {2}
    assert not set(captions) & set(pictures)
    assert tested(image) == [unit for pair in zip(captions, pictures, strict=True) for unit in pair][:6]
    assert tested(image, length=3) == tested(image)[:3]
    assert tested(replace(image, texts=())) == pictures
    encoded = replace(encoded, codes=encoded.codes[::-1], membership=encoded.membership[::-1])
    assert tested(image)[::2] == captions[:3]


def test_a_sort_that_has_fewer_units_shares_what_it_has() -> None:
    """An index names some works alone; the other sort goes on, and a longer list starts alike."""
    prompt = Order("captions", "captions", by_prompt=True, units=np.arange(300))
    picture = Order("clip", "clip", by_prompt=False, units=np.arange(1000, 1210))
    found = shared_order((prompt, picture), 600).tolist()
    assert found[:4] == [0, 1000, 1, 1001]
    assert sorted(found) == [*range(300), *range(1000, 1210)]
    assert found[420:] == list(range(210, 300))
    assert shared_order((picture, prompt), 240).tolist() == found[:240]


def test_given_images_are_never_ordered_by_prompts(encoded: EncodedWorks) -> None:
    """Rankers by prompt have no part in their choice, nor where few samples have a prompt."""
    rankers = (PixelKernel(), Captions(lambda _: None))
    some = samples_for(encoded, 24)
    texts = tuple(WORDS[number % 6] for number in range(24))
    prompted = replace(some, images=replace(some.images, texts=texts))
    grades = grade_rankers(rankers, with_texts(encoded), prompted, prompted)
    assert [one.name for one in grades.rankers if one.generated] == ["pixel-kernel", "captions"]
    assert [one.name for one in grades.rankers if one.given] == ["pixel-kernel"]
    assert grades.choices.given.name == "pixel-kernel"
    without = grade_rankers(rankers, with_texts(encoded), some).choices.generated
    assert (without.name, without.grade is None) == ("pixel-kernel", False)


def test_displayed_scale_orders_the_shortlist_and_no_more(encoded: EncodedWorks) -> None:
    """Another fusion shows the same units in the order of its own scores."""
    image = encoded.works[7] * 0.8 + 0.1
    by_scale = [listed(encoded, image, (WeightedRanker("pixel-kernel", scale, 1.0),)) for scale in BANDWIDTHS]
    assert len({tuple(found.unit_numbers) for found in by_scale}) > 1
    assert len({frozenset(found.unit_numbers.tolist()) for found in by_scale}) == 1
    for found in by_scale:
        assert (np.diff(found.scores) <= 0).all()


def test_unit_of_the_copied_work_leads_and_lists_it_first(encoded: EncodedWorks) -> None:
    """Unit 7 owns work 7; its image is nearly that work."""
    found = listed(encoded, encoded.works[7], AT_0_01, length=3)
    assert found.unit_numbers[0] == 7
    assert found.works[0][0][0] == 7
    assert found.works[0][0][1] == 0.0
    np.testing.assert_allclose(found.images[0], 2 * encoded.works[7] - 1, atol=0.05)


def test_images_ranked_together_or_alone_are_ranked_alike(encoded: EncodedWorks) -> None:
    """One pass over the works serves several images."""
    rankers = (PixelKernel(), Responsibilities())
    images = encoded.works[3:6] * 0.9
    together = shortlists_for(rankers, encoded, Images.flat(images), AT_0_01, 5, 2)
    for image, found in zip(images, together, strict=True):
        alone = listed(encoded, image, AT_0_01, rankers)
        np.testing.assert_array_equal(found.unit_numbers, alone.unit_numbers)
        np.testing.assert_allclose(found.scores, alone.scores, rtol=1e-4)


def test_displayed_score_is_the_weighted_sum_of_standardised_scores(encoded: EncodedWorks) -> None:
    """Recomputed from dense scores: sums over units, standardised over units, weighted."""
    rankers, image = (PixelKernel(), Responsibilities()), encoded.works[7] * 0.8 + 0.1
    parts = (WeightedRanker("pixel-kernel", 0.05, 0.75), WeightedRanker("responsibilities", 16.0, 0.25))
    expected = np.zeros(UNITS)
    for part, ranker in zip(parts, rankers, strict=True):
        scores = ranker.score(image[None], encoded.works)[list(ranker.scales).index(part.scale), 0]
        summed = np.bincount(encoded.unit_of_work, scores, UNITS)
        expected += part.weight * (summed - summed.mean()) / summed.std()
    found = listed(encoded, image, parts, rankers, UNITS)
    np.testing.assert_allclose(found.scores, expected[found.unit_numbers], rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(found.unit_numbers, np.argsort(-expected, kind="stable"))


def test_scale_with_the_best_grade_is_chosen(encoded: EncodedWorks) -> None:
    """Losses made from the scores of one bandwidth lead to that bandwidth."""
    samples = samples_for(encoded, 40)
    scores = PixelKernel().score(samples.images.values, encoded.works)[5]
    summed = np.stack([np.bincount(encoded.unit_of_work, row, UNITS) for row in scores])
    loss = -(summed - summed.mean(axis=1, keepdims=True)) @ bits(encoded.codes, N)
    grades = grade_rankers([PixelKernel()], encoded, GradedImages(samples.images, loss))
    assert grades.choices.generated.parts == (WeightedRanker("pixel-kernel", BANDWIDTHS[5], 1.0),)
    assert grades.choices.generated.grade is not None
    assert grades.choices.generated.grade.value > 0.9
    assert grades.choices.generated.by_scale is not None
    assert grades.choices.generated.by_scale["pixel-kernel"][5] == pytest.approx(1.0, abs=0.01)


def test_too_few_images_choose_nothing(encoded: EncodedWorks) -> None:
    """The displayed scale is the default, and the missing grade has a reason."""
    ranker = PixelKernel()
    choice = grade_rankers([ranker], encoded, samples_for(encoded, 2)).choices.generated
    assert choice.grade is None
    assert choice.scale == 0.01
    assert "generate more" in choice.to_json([ranker])["member_lds"]["not_measured"]


def test_a_choice_names_its_parts() -> None:
    """A fusion is named after its rankers; all rankers with a part are recorded with grids."""
    parts = (WeightedRanker("pixel-kernel", 0.05, 0.75), WeightedRanker("responsibilities", 16.0, 0.25))
    rankers = (PixelKernel(), Responsibilities())
    document = RankerChoice(parts, None).to_json(rankers)
    assert document["name"] == "pixel-kernel + responsibilities"
    assert document["bandwidth"] is None
    assert [one["name"] for one in document["rankers"]] == ["pixel-kernel", "responsibilities"]
    assert document["rankers"][0]["scales"] == list(BANDWIDTHS)
