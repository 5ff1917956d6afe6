"""Ranking: the kernel, the order of units, its grade by member-LDS, and that the shortlist is blind to the codes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from attribution.rankers.interface import shortlist, unit_scores
from attribution.rankers.member_lds import member_correlations, summarise
from attribution.rankers.pixel_kernel import PixelKernel, mean_squared_differences
from registry.codes import bits, codes_of


def test_differences_are_mean_squares() -> None:
    """One matrix product gives what the definition gives."""
    rng = np.random.default_rng(0)
    images, works = rng.random((3, 20)).astype(np.float32), rng.random((5, 20)).astype(np.float32)
    expected = ((images[:, None].astype(float) - works[None].astype(float)) ** 2).mean(axis=2)
    np.testing.assert_allclose(mean_squared_differences(images, works), expected, atol=1e-12)


def test_kernel_puts_the_copied_work_first_at_every_scale() -> None:
    """A near copy of a work ranks it first, whatever the bandwidth, and no score is lost to underflow."""
    rng = np.random.default_rng(1)
    works = rng.random((30, 48))
    image = np.clip(works[[17]] + rng.normal(scale=0.02, size=(1, 48)), 0, 1)
    scores = PixelKernel().score(image, works)
    assert (scores[:, 0].argmax(axis=1) == 17).all()
    assert (scores[:, 0, 17] == 1.0).all()


def test_unit_scores_sum_over_works() -> None:
    """A unit is as likely as its works together."""
    scores = np.array([[1.0, 2.0, 4.0]])
    np.testing.assert_array_equal(unit_scores(scores, np.array([0, 1, 0]), 3), [[5.0, 2.0, 0.0]])


def test_shortlist_takes_each_unit_at_its_best_rank() -> None:
    """A unit that leads at any scale is on the list, so the displayed scale decides nothing about what is tested."""
    scores = np.array([[9.0, 5.0, 1.0, 0.0], [1.0, 5.0, 9.0, 0.0]])
    assert shortlist(scores, 2).tolist() == [0, 2]
    assert shortlist(scores, 10).tolist() == [0, 2, 1, 3]


def test_shortlist_of_single_works_is_the_same_at_any_scale() -> None:
    """For units of one work the kernel's order does not depend on its bandwidth."""
    rng = np.random.default_rng(2)
    scores = PixelKernel().score(rng.random((1, 12)), rng.random((40, 12)))[:4, 0]
    orders = {tuple(shortlist(row[None], 40)) for row in scores}
    assert len(orders) == 1


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
    """Losses that fall by the scores of what a member saw grade those scores 1, and shuffled scores about 0."""
    rng = np.random.default_rng(4)
    membership = bits(codes_of(1, 12, 6, np.arange(50)), 12)
    scores = rng.random((40, 50))
    loss = -(scores - scores.mean(axis=1, keepdims=True)) @ membership
    assert member_correlations(scores, loss, membership).mean() == pytest.approx(1.0)
    shuffled = summarise(member_correlations(rng.permuted(scores, axis=1), loss, membership))
    assert shuffled is not None
    assert shuffled.low < 0.15


def test_interval_needs_several_images() -> None:
    """Two images give no interval, and so no grade."""
    assert summarise(np.array([0.5, 0.6])) is None
    graded = summarise(np.array([0.5, 0.6, 0.7]))
    assert graded is not None
    assert graded.low <= graded.value <= graded.high
