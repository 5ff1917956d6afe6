"""Intervals, splits, classifiers and rank tests of imitation audits: known answers, the null."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from attribution.imitation.identification import RIDGES, Probe, Prototypes, Standard, text_scores
from attribution.imitation.intervals import Z, auc_interval, fewer_than_before_p, mean_interval, paired_difference
from attribution.imitation.matching import assignment_test, nearer_shares, rank_test
from attribution.imitation.splits import held_out_works
from attribution.metrics.statistics import Share
from registry.imitations.facts import Interval, Missing


def test_wilson_has_the_closed_form() -> None:
    """(p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)."""
    p, n = 0.9, 10
    centre, half = p + Z**2 / (2 * n), Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    assert Share(9, 10).wilson() == pytest.approx(((centre - half) / (1 + Z**2 / n), (centre + half) / (1 + Z**2 / n)))


@given(st.floats(0.0, 1.0), st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_the_interval_of_an_area_contains_it_and_stays_inside(auc: float, positives: int, negatives: int) -> None:
    """And has a width also at 0 and 1."""
    low, high = auc_interval(auc, positives, negatives)
    assert 0.0 <= low <= auc <= high <= 1.0
    assert high - low > 0.01


def test_more_images_narrow_the_interval_of_an_area() -> None:
    """At its ends the found area is 1.96 of Hanley and McNeil's standard errors away."""
    few, many = auc_interval(0.8, 10, 10), auc_interval(0.8, 100, 100)
    assert few[0] < many[0] < 0.8 < many[1] < few[1]
    a = few[0]
    variance = a * (1 - a) * (1 + 9 * ((1 - a) / (2 - a) + a / (1 + a))) / 100
    assert (0.8 - a) == pytest.approx(Z * math.sqrt(variance))


def test_the_drop_is_the_difference_on_the_same_images() -> None:
    """Seven of ten before, two after, one of them new."""
    before = np.array([True] * 7 + [False] * 3)
    after = np.array([True, *[False] * 8, True])
    found = paired_difference(before, after)
    assert isinstance(found, Interval)
    assert found.value == pytest.approx(0.5)
    assert found.low < 0.5 < found.high <= 1.0
    assert fewer_than_before_p(before, after) == pytest.approx(8 / 2**7)
    same = paired_difference(before, before)
    assert isinstance(same, Interval)
    assert same.low < 0 == same.value < same.high
    assert fewer_than_before_p(before, before) == 1.0
    assert isinstance(paired_difference(before[:0], after[:0]), Missing)
    assert isinstance(mean_interval(np.array([1.0]), 0), Missing)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_near_duplicates_stay_on_one_side(data: st.DataObject) -> None:
    """And every artist keeps a work to learn from."""
    artists = data.draw(st.integers(2, 5))
    artist = np.concatenate([np.full(data.draw(st.integers(3, 12)), number) for number in range(artists)])
    order = np.random.default_rng(data.draw(st.integers(0, 99))).permutation(len(artist))
    sizes = data.draw(st.lists(st.integers(2, 4), max_size=4))
    alike, start = [], 0
    for size in sizes:
        rows = np.sort(order[start : start + size])
        start += size
        if len(rows) > 1:
            alike.append(rows)
    held = held_out_works(artist, alike, 0.3, 7)
    for rows in alike:
        assert len(set(held[rows].tolist())) == 1
    assert all((~held[artist == number]).any() for number in range(artists))
    assert np.array_equal(held, held_out_works(artist, alike, 0.3, 7))


def test_about_the_wanted_share_is_held_out() -> None:
    """Of each artist, also of one with few works."""
    artist = np.repeat([0, 1, 2], [100, 30, 3])
    held = held_out_works(artist, [], 0.3, 0)
    assert np.bincount(artist[held]).tolist() == [30, 9, 1]


def test_classifiers_learn_artists_that_differ() -> None:
    """Two far clouds; a feature that never changes does no harm."""
    generator = np.random.default_rng(0)
    artist = np.repeat([0, 1, 2], [40, 10, 10])
    features = generator.normal(0, 1, (60, 5)) + 6 * np.eye(5)[artist]
    features[:, 4] = 3.0
    standard = Standard.of(features)
    works = standard(features)
    assert np.linalg.norm(works, axis=1) == pytest.approx(1.0)
    assert not works[:, 4].any()
    for learned in (Prototypes.learn(works, artist), Probe.learn(works, artist)):
        assert (learned.scores(works).argmax(axis=1) == artist).mean() > 0.95


def test_the_probe_is_the_weighted_ridge_regression() -> None:
    """Solved over works, as the normal equations over features give; each artist weighs one."""
    generator = np.random.default_rng(1)
    artist = np.repeat([0, 1], [12, 4])
    works = generator.normal(0, 1, (16, 3)) + artist[:, None]
    probe = Probe.learn(works, artist)
    assert probe.ridge in RIDGES
    weight = np.where(artist == 0, 1 / 12, 1 / 4)[:, None]
    centred = works - (weight * works).sum(axis=0) / 2
    target = np.eye(2)[artist] - 0.5
    rows = np.sqrt(weight) * centred
    ridge = probe.ridge * np.trace(rows @ rows.T) / 16
    expected = np.linalg.solve(rows.T @ rows + ridge * np.eye(3), rows.T @ (np.sqrt(weight) * target))
    assert probe.weights == pytest.approx(expected)


def test_texts_are_compared_by_cosine() -> None:
    """Length does not count; a zero is like nothing."""
    scores = text_scores(np.array([[2.0, 0.0], [0.0, 0.0]]), np.array([[1.0, 1.0], [5.0, 0.0]]))
    assert scores == pytest.approx(np.array([[math.sqrt(0.5), 1.0], [0.0, 0.0]]))


def test_nearer_counts_pairs_and_halves_ties() -> None:
    """As counting every pair gives."""
    generator = np.random.default_rng(2)
    images = generator.integers(-1, 2, (6, 3)).astype(np.float64)
    works = generator.integers(-1, 2, (9, 3)).astype(np.float64)
    artist = np.repeat([0, 1, 2], 3)
    found = nearer_shares(images, works, artist, 2)
    likeness = images @ works.T
    for row in range(6):
        for number in range(2):
            own, others = likeness[row, artist == number], likeness[row, artist != number]
            pairs = (own[:, None] > others).mean() + 0.5 * (own[:, None] == others).mean()
            assert found[row, number] == pytest.approx(pairs)


def test_p_is_uniform_if_images_are_dealt_at_random() -> None:
    """Whatever the images look like; here they all look like the first artist."""
    generator = np.random.default_rng(3)
    nearer = generator.normal(0.9, 0.05, 48)
    p_values = []
    for _ in range(400):
        order = generator.permutation(48)
        p_values.append(rank_test(nearer[order[:12]], nearer[order[12:]]).p_value)
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    assert np.mean(np.array(p_values) <= 0.05) < 0.09


def test_the_assignment_is_tested_against_all_others() -> None:
    """Exactly for few artists; folders that differ for another reason do not fit."""
    artist = np.repeat([0, 1, 2], 4)
    fitting = np.eye(3)[artist]
    p_value, assignments = assignment_test(fitting, artist, 0)
    assert p_value == pytest.approx(1 / 6)
    assert assignments == 6
    assert assignment_test(fitting[:, [1, 2, 0]], artist, 0)[0] > 0.3
    generator = np.random.default_rng(4)
    p_values = []
    for _ in range(200):
        folders = generator.normal(0, 1, (5, 5))
        p_values.append(assignment_test(folders[np.repeat(np.arange(5), 3)], np.repeat(np.arange(5), 3), 0)[0])
    assert 0.0 < np.mean(np.array(p_values) <= 0.1) < 0.18
    many = np.arange(9)
    p_value, assignments = assignment_test(np.eye(9), many, 0)
    assert p_value == pytest.approx(1e-4)
    assert assignments == 10_000


def test_a_perfect_match_has_an_area_of_one() -> None:
    """And the smallest p that so few images can have."""
    found = rank_test(np.array([0.9, 0.8, 0.7]), np.array([0.1, 0.2, 0.3]))
    assert found.auc == 1.0
    assert found.p_value == pytest.approx(1 / math.comb(6, 3))
