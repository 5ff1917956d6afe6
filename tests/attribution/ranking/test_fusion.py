"""Grades and fusions: member-LDS with its intervals, weights, and choices that grade others."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from attribution.ranking.rankers import fusion
from attribution.ranking.rankers.fusion import SummedScores, WeightedRanker, fit_fusion, weight_grid
from attribution.ranking.rankers.member_lds import (
    correlations_of,
    grade_of,
    interval_over_images,
    interval_over_members,
)
from registry.encodings.codes import codes_of
from registry.encodings.words import bits


def member_correlations(scores: np.ndarray, loss: np.ndarray, membership: np.ndarray) -> np.ndarray:
    """Of scores by image and unit."""
    return correlations_of((scores - scores.mean(axis=1, keepdims=True)) @ membership, loss)


def test_member_lds_is_spearmans_correlation() -> None:
    """As scipy computes it, member by member, ties included."""
    rng = np.random.default_rng(3)
    membership = bits(codes_of(0, 8, 4, np.arange(20)), 8)
    scores, loss = rng.random((6, 20)), rng.integers(0, 4, (6, 8)).astype(float)
    expected = [
        stats.spearmanr((row - row.mean()) @ membership, -losses).statistic
        for row, losses in zip(scores, loss, strict=True)
    ]
    np.testing.assert_allclose(member_correlations(scores, loss, membership), expected, atol=1e-12)


def test_member_lds_rewards_the_true_scores() -> None:
    """Losses that fall by seen works' scores grade these scores 1, shuffled ones about 0."""
    rng = np.random.default_rng(4)
    membership = bits(codes_of(1, 12, 6, np.arange(50)), 12)
    scores = rng.random((40, 50))
    loss = -(scores - scores.mean(axis=1, keepdims=True)) @ membership
    assert member_correlations(scores, loss, membership).mean() == pytest.approx(1.0)
    shuffled = interval_over_images(member_correlations(rng.permuted(scores, axis=1), loss, membership))
    assert shuffled[0] < 0.15


def test_members_that_saw_an_image_are_left_out_of_its_correlation() -> None:
    """A loss of NaN counts as if the member were not there; with two members left there is none."""
    rng = np.random.default_rng(9)
    seen, loss = rng.random((5, 8)), rng.integers(0, 4, (5, 8)).astype(float)
    loss[1, [0, 3, 5]] = loss[2, :6] = np.nan
    found = correlations_of(seen, loss)
    kept = [1, 2, 4, 6, 7]
    assert found[1] == pytest.approx(stats.spearmanr(seen[1, kept], -loss[1, kept]).statistic)
    assert found[2] == 0.0
    assert found[0] == pytest.approx(stats.spearmanr(seen[0], -loss[0]).statistic)


def test_interval_needs_several_images_and_members() -> None:
    """Two images, or two members, give no interval, and so no grade."""
    rng = np.random.default_rng(6)
    seen, loss = rng.random((2, 4, 9))
    assert grade_of(seen[:2], loss[:2]) is None
    assert grade_of(seen[:, :2], loss[:, :2]) is None
    graded = grade_of(seen[:3], loss[:3])
    assert graded is not None
    assert graded.low <= graded.value <= graded.high


def test_interval_over_members_sees_what_images_cannot() -> None:
    """One odd member shifts every image alike: certain over images, uncertain over members.

    The interval over both is as uncertain.
    """
    rng = np.random.default_rng(5)
    seen = np.tile(np.arange(8.0), (60, 1)) + rng.normal(scale=1e-3, size=(60, 8))
    loss = -seen.copy()
    loss[:, 0] = -20.0
    found = grade_of(seen, loss)
    assert found is not None
    assert found.over_images is not None
    assert found.over_members is not None
    assert found.over_images[1] - found.over_images[0] < 0.01
    assert found.over_members[1] - found.over_members[0] > 0.3
    assert found.over_members[0] < found.value < found.over_members[1]
    assert found.high - found.low > 0.3
    assert interval_over_members(seen[:, :2], loss[:, :2]) is None


def test_grid_of_weights_is_the_simplex_in_quarters() -> None:
    """All weights, once, none negative, the most even first."""
    for rankers, size in ((1, 1), (2, 5), (3, 15), (4, 35)):
        grid = weight_grid(rankers)
        assert grid.shape == (size, rankers)
        assert len({tuple(row) for row in grid.tolist()}) == size
        np.testing.assert_allclose(grid.sum(axis=1), 1.0)
        assert (grid >= 0).all()
    assert weight_grid(2)[0].tolist() == [0.5, 0.5]


def graded(seed: int, members: int = 10, images: int = 40) -> tuple[list[SummedScores], np.ndarray]:
    """Two rankers that each know half of the loss's causes, and one that knows nothing."""
    rng = np.random.default_rng(seed)
    first, second, noise = rng.normal(size=(3, images, members))
    rankers = [
        SummedScores("first", (1.0, 2.0), np.stack([noise, first])),
        SummedScores("second", (1.0,), second[None]),
        SummedScores("nothing", (1.0,), rng.normal(size=(1, images, members))),
    ]
    return rankers, -(first + second)


def test_fusion_finds_rankers_that_belong_together() -> None:
    """Equal parts of two informed rankers, at the informed scale, graded above either."""
    rankers, loss = graded(0)
    found = fit_fusion(rankers, loss)
    assert set(found.parts) == {WeightedRanker("first", 2.0, 0.5), WeightedRanker("second", 1.0, 0.5)}
    alone = [fit_fusion([ranker], loss) for ranker in rankers]
    assert found.grade is not None
    assert found.grade.value > 0.95
    for one in alone:
        assert one.grade is not None
        assert one.grade.value < found.grade.value
    assert alone[0].parts == (WeightedRanker("first", 2.0, 1.0),)
    assert found.by_scale[0][1] > found.by_scale[0][0]


def test_the_preferred_ranker_gives_way_only_to_what_is_clearly_better() -> None:
    """Luck among close rankers does not displace it; further or better knowledge does."""
    rng = np.random.default_rng(11)
    preferred = fusion.PREFERRED[0]
    loss = rng.normal(size=(48, 16))
    close = [
        SummedScores(name, (1.0,), (-loss + rng.normal(scale=1.5, size=loss.shape))[None])
        for name in ("one", preferred)
    ]
    copied = [close[1], SummedScores("twin", (1.0,), close[1].seen + rng.normal(scale=1e-3, size=close[1].seen.shape))]
    assert fit_fusion(copied, loss).parts == (WeightedRanker(preferred, 1.0, 1.0),)
    assert len(fit_fusion(close, loss).parts) == 2
    better = [
        SummedScores("other", (1.0,), -loss[None]),
        SummedScores(preferred, (1.0,), rng.normal(size=(1, 48, 16))),
    ]
    found = fit_fusion(better, loss)
    assert found.parts == (WeightedRanker("other", 1.0, 1.0),)
    single, further = found.comparisons
    assert (single.simpler[0].name, single.best[0].name, single.alternatives) == (preferred, "other", 1)
    assert single.gain.clear
    assert (further.simpler, further.alternatives, further.gain.clear) == (single.best, 3, False)
    few = [SummedScores(one.name, one.scales, one.seen[:, :1]) for one in better]
    assert fit_fusion(few, loss[:1]).parts == (WeightedRanker(preferred, 1.0, 1.0),)


def test_the_simplest_choice_is_the_first_preferred_ranker_else_the_first_named() -> None:
    """Whatever the order in which rankers are named; and no grade enters."""
    first, second, third = fusion.PREFERRED
    assert fusion.simplest(["x", third, second, first]) == 3
    assert fusion.simplest(["x", third, second]) == 2
    assert fusion.simplest(["x", third]) == 1
    assert fusion.simplest(["x", "y"]) == 0


def test_scales_of_other_images_are_kept_unless_another_is_clearly_better() -> None:
    """A scale that is a little better by luck does not replace the known one; a right one does."""
    rng = np.random.default_rng(12)
    loss = rng.normal(size=(48, 16))
    near = -loss + rng.normal(scale=1.5, size=loss.shape)
    lucky = near - 0.02 * loss
    ranker = SummedScores("one", (1.0, 2.0, 3.0), np.stack([near, lucky, -loss]))
    without = SummedScores("one", (1.0, 2.0), ranker.seen[:2])
    assert fit_fusion([without], loss).parts == (WeightedRanker("one", 2.0, 1.0),)
    kept = fit_fusion([without], loss, {"one": 1.0})
    assert kept.parts == (WeightedRanker("one", 1.0, 1.0),)
    assert kept.comparisons[0].best == (WeightedRanker("one", 2.0, 1.0),)
    assert fit_fusion([ranker], loss, {"one": 1.0}).parts == (WeightedRanker("one", 3.0, 1.0),)


def test_choice_does_not_grade_itself() -> None:
    """The best of fifty scales that know nothing looks good only on the images that chose it."""
    rng = np.random.default_rng(7)
    values = []
    for _ in range(8):
        ranker = SummedScores("noise", tuple(float(scale) for scale in range(50)), rng.normal(size=(50, 8, 12)))
        found = fit_fusion([ranker], rng.normal(size=(8, 12)))
        assert max(found.by_scale[0]) > 0.15
        assert found.grade is not None
        values.append(found.grade.value)
    assert abs(np.mean(values)) < 0.12


def test_each_half_is_graded_by_the_choice_of_the_other() -> None:
    """Scales perfect on even or on odd images: each half meets the wrong scale."""
    rng = np.random.default_rng(8)
    loss = rng.normal(size=(20, 10))
    even = (np.arange(20) % 2 == 0)[:, None]
    ranker = SummedScores("torn", (1.0, 2.0), np.stack([np.where(even, -loss, loss), np.where(even, loss, -loss)]))
    found = fit_fusion([ranker], loss)
    assert found.grade is not None
    assert found.grade.value == pytest.approx(-1.0)


def test_too_few_images_have_no_grade() -> None:
    """One image cannot be halved; two give no interval."""
    rankers, loss = graded(1)
    for count in (1, 2):
        few = [SummedScores(one.name, one.scales, one.seen[:, :count]) for one in rankers]
        assert fit_fusion(few, loss[:count]).grade is None


def test_more_weights_than_a_grid_of_quarters_holds_are_not_needed() -> None:
    """With more rankers than quarters some have no part, and the choice says so."""
    assert fusion.STEPS == 4
    assert ((weight_grid(6) > 0).sum(axis=1) <= 4).all()
