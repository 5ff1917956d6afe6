"""One test for each rightsholder over all images: exact, and within its rate."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from attribution.evidence.group_test import Pulls
from attribution.evidence.joint_test import (
    MORE_DRAWS,
    RATE,
    ImagePart,
    JointEvidence,
    assess_over_images,
    summed_pulls,
)
from attribution.metrics.statistics import benjamini_yekutieli, share_of, uniformity
from registry.encodings.assignment import distinct_draws

N = 10
WORDS = np.array([[bit in word for bit in range(N)] for word in combinations(range(N), N // 2)])
NONE = np.array([], dtype=np.int64)


@dataclass(frozen=True)
class Pool:
    """Codes dealt from all words of equal weight."""

    own: np.ndarray
    others: np.ndarray

    def codes(self, units: np.ndarray, /) -> np.ndarray:
        return np.asarray(self.own[units])

    def decoys(self, unit: int, /) -> np.ndarray:
        del unit
        return self.others

    def joint_draws(self, units: np.ndarray, draws: int, generator: np.random.Generator, /) -> np.ndarray:
        pool = np.concatenate([self.own[units], self.others])
        return np.asarray(pool[distinct_draws(len(pool), len(units), draws, generator)])


def simulated(
    seed: int, owners: int, works: int, images: int, active: int = 0, effect: float = 0.0, shared: float = 1.0
) -> list[JointEvidence]:
    """Images of one ensemble whose members differ at random, and by the works of some owners.

    Members' differences and pictures are drawn per image, and a part of the differences is the same
    in all images, so that images share more than their codes.
    """
    rng = np.random.default_rng(seed)
    count = owners * works
    words = WORDS[rng.permutation(len(WORDS))]
    membership, others = words[:count], words[count:]
    common = shared * rng.normal(size=(count, N))
    parts = []
    for _ in range(images):
        order = rng.permutation(owners)
        for place, owner in enumerate(order[:6]):
            units = np.arange(owner * works, (owner + 1) * works)
            alignment = rng.normal(size=(works, N)) + common[units]
            if owner < active:
                alignment += effect * membership[units]
            parts.append((f"owner {owner}", ImagePart(place + 1, Pulls(units, alignment), NONE)))
    return assess_over_images(parts, Pool(membership, others))


@pytest.mark.parametrize("works", [1, 3])
@pytest.mark.slow
def test_p_values_are_uniform_under_the_null(works: int) -> None:
    """Over redrawn codes, with one work and several, though all images share one draw of codes."""
    found = [each for seed in range(300) for each in simulated(seed, 8, works, 5) if each.name == "owner 3"]
    p_values = np.array([each.p_value for each in found])
    if works == 1:
        places = round(1 / found[0].smallest_p)
        assert uniformity(np.rint(p_values * places).astype(np.int64), places)[1] > 0.01
    else:
        assert stats.kstest(p_values, "uniform").pvalue > 0.01
        assert found[0].smallest_p == 1 / (1 + MORE_DRAWS)


@pytest.mark.slow
def test_small_p_values_are_as_rare_as_they_say() -> None:
    """The second measurement of a small p leaves the test exact: at 1 %, 5 % and in between."""
    p_values = np.array([each.p_value for seed in range(300) for each in simulated(seed, 8, 3, 3)])
    for level in (0.005, 0.01, 0.02, 0.05):
        assert share_of(p_values <= level).more_than_p(level) > 0.001


@pytest.mark.parametrize(("active", "effect"), [(0, 0.0), (2, 1.5), (4, 3.0)])
@pytest.mark.slow
def test_at_most_one_in_twenty_of_the_rightsholders_that_pass_is_chance(active: int, effect: float) -> None:
    """The expected share of null rightsholders among those that pass, under nulls and mixtures."""
    shares = []
    for seed in range(300):
        passed = [each for each in simulated(seed, 8, 2, 6, active, effect) if each.q_value <= RATE]
        false = [each for each in passed if int(each.name.removeprefix("owner ")) >= active]
        shares.append(len(false) / max(1, len(passed)))
    mean, error = np.mean(shares), np.std(shares) / np.sqrt(len(shares))
    assert mean - 3 * error <= RATE


def test_more_images_do_not_make_more_chance_findings() -> None:
    """An owner whose works did nothing passes no more often over 60 images than over 2."""
    few = [each.p_value <= 0.05 for seed in range(60) for each in simulated(seed, 8, 1, 2)]
    many = [each.p_value <= 0.05 for seed in range(60) for each in simulated(seed, 8, 1, 60)]
    for found in (few, many):
        assert share_of(np.array(found)).more_than_p(RATE) > 0.001


def test_small_effects_in_many_images_are_seen_together() -> None:
    """No single image shows the effect, all of them do."""
    for images, least, most in ((1, 0.0, 0.2), (40, 0.8, 1.0)):
        found = [
            each.q_value <= RATE
            for seed in range(30)
            for each in simulated(seed, 8, 2, images, active=1, effect=0.8, shared=0.2)
            if each.name == "owner 0"
        ]
        assert least <= np.mean(found) <= most


def test_images_adjusted_for_a_work_of_the_same_rightsholder_are_left_out() -> None:
    """The work became theirs after the audit: the alignment depends on its code."""
    row = np.arange(4.0).reshape(1, 4)
    first = ImagePart(1, Pulls(np.array([1]), row), np.array([7, 8]))
    second = ImagePart(1, Pulls(np.array([1, 7]), np.vstack([row, row[:, ::-1]])), np.array([8]))
    images, units, alignment = summed_pulls([first, second])
    assert (images, units.tolist(), alignment.shape) == (1, [1, 7], (2, 4))


def test_first_places_and_equal_lengths_count_most() -> None:
    """An image counts by its place, not by the scale of its numbers."""
    row = np.array([[1.0, 0.0, 0.0, -1.0]])
    large = ImagePart(1, Pulls(np.array([0]), 50 * row), NONE)
    second_place = ImagePart(2, Pulls(np.array([0]), row[:, ::-1]), NONE)
    _, _, alignment = summed_pulls([large, second_place])
    np.testing.assert_allclose(alignment, row / np.sqrt(2) * 0.5)


def test_yekutieli_divides_by_the_harmonic_sum() -> None:
    """By hand for three tests."""
    np.testing.assert_allclose(benjamini_yekutieli(np.array([0.01, 0.02, 0.9])), [0.055, 0.055, 1.0])
