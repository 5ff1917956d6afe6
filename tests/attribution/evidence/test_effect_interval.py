"""Effects by inverting the test: against a brute-force twin, and covering planted effects."""

from __future__ import annotations

import numpy as np
import pytest

from attribution.evidence.adjustment import MemberAlignment, Neighbours, member_alignment
from attribution.evidence.effect_interval import LEVEL, NO_DISTANCE, NO_NUMBER, TOO_FEW_DECOYS, effects_of
from attribution.evidence.randomisation import assess_alignment, contrast_weights, pulls_of
from registry.basis.p_values import exact_p_values
from registry.encodings.codes import codes_of, decoys
from registry.encodings.words import bits

N, H, UNITS = 10, 5, 40


def moving(pulls: np.ndarray, way: float) -> MemberAlignment:
    """Alignments that grow by ``way`` for a member that moves all the way to the picture."""
    return MemberAlignment(pulls, way * np.eye(N)[None])


def coded(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The bits of a unit and of all decoys of one encoding."""
    return bits(codes_of(seed, N, H, [3]), N), bits(decoys(seed, N, H, UNITS, 10_000, draw_seed=0), N)


@pytest.mark.parametrize("seed", range(4))
def test_interval_is_what_the_test_does_not_reject(seed: int) -> None:
    """Inside the interval neither one-sided test rejects; outside, one does."""
    own, others = coded(seed)
    pulls = np.random.default_rng(seed).normal(size=(1, N)) + 0.8 * own
    way = np.array([2.5])
    found = assess_alignment(moving(pulls, way[0]), own, others).effects
    for effect in np.linspace(found.low[0] - 1.0, found.high[0] + 1.0, 401):
        shifted = pulls - effect * way[0] * own
        statistic = np.einsum("un,un->u", shifted, contrast_weights(own))
        by_decoy = shifted @ contrast_weights(others).T
        p = min(exact_p_values(statistic, by_decoy)[0], exact_p_values(-statistic, -by_decoy)[0])
        assert (p > LEVEL / 2) == (found.low[0] <= effect <= found.high[0])
    assert found.low[0] < found.estimate[0] < found.high[0]


def test_interval_covers_the_planted_effect() -> None:
    """Over encodings, the interval holds the true effect about as often as stated."""
    rng = np.random.default_rng(0)
    covered = []
    for seed in range(300):
        own, others = coded(seed)
        pulls = rng.standard_t(2, size=(1, N)) + 0.3 * 4.0 * own
        found = assess_alignment(moving(pulls, 4.0), own, others).effects
        covered.append(found.low[0] <= 0.3 <= found.high[0])
    assert 0.92 <= np.mean(covered) <= 0.99


def test_effect_is_the_share_of_the_way() -> None:
    """Members that predict a third of the way to the picture, without noise: a third."""
    rng = np.random.default_rng(1)
    own, others = coded(5)
    mean, picture = rng.normal(size=12), rng.normal(size=12)
    # The others lose as much as the members that saw the unit add, so that the mean stays.
    clean = mean + np.outer(np.where(own[0], 1 / 6, -1 / 6), picture - mean)
    found = assess_alignment(member_alignment(clean, picture[None], None, []), own, others).effects
    assert found.estimate[0] == pytest.approx(1 / 3)
    assert found.low[0] == pytest.approx(1 / 3)


@pytest.mark.parametrize("seed", range(3))
def test_interval_with_neighbours_is_what_the_test_does_not_reject(seed: int) -> None:
    """Subtracting the effect from predictions, adjusted anew, is rejected outside alone."""
    rng = np.random.default_rng(seed)
    own, others = coded(seed)
    clean, picture = rng.normal(size=(N, 12)), rng.normal(size=(1, 12))
    around = Neighbours(np.arange(10, 30), rng.normal(size=(20, 12)), bits(codes_of(seed, N, H, np.arange(10, 30)), N))
    way = picture[0] - clean.mean(axis=0)
    left_out = [np.array([3])]
    found = assess_alignment(member_alignment(clean, picture, around, left_out), own, others).effects
    inside = []
    for effect in np.linspace(found.low[0] - 0.3, found.high[0] + 0.3, 201):
        shifted = clean - effect * np.outer(own[0] - own.mean(), way)
        pulls = pulls_of(member_alignment(shifted, picture, around, left_out), own, others)
        statistic, by_decoy = pulls.own, pulls.decoys
        p = min(exact_p_values(statistic, by_decoy)[0], exact_p_values(-statistic, -by_decoy)[0])
        inside.append(p > LEVEL / 2)
        assert inside[-1] == (found.low[0] <= effect <= found.high[0])
    assert np.mean(inside) > 0.3


def test_what_cannot_be_measured_says_why() -> None:
    """Few decoys, a picture equal to the mean prediction, diverged members: a reason each."""
    few = effects_of(np.ones(1), np.zeros((1, 38)), np.ones(1), np.zeros((1, 38)))
    assert few.not_measured == (TOO_FEW_DECOYS,)
    assert np.isnan([few.estimate[0], few.low[0], few.high[0]]).all()
    enough = effects_of(np.ones(1), np.zeros((1, 39)), np.ones(1), np.zeros((1, 39)))
    assert enough.not_measured == (None,)
    assert enough.low[0] == enough.high[0] == 1.0
    assert effects_of(np.ones(1), np.zeros((1, 99)), np.zeros(1), np.zeros((1, 99))).not_measured == (NO_DISTANCE,)
    broken = effects_of(np.full(1, np.nan), np.zeros((1, 99)), np.ones(1), np.zeros((1, 99)))
    assert broken.not_measured == (NO_NUMBER,)


def test_decoys_with_the_units_own_bits_widen_the_interval() -> None:
    """With members out of service a decoy may look like the unit, whatever the effect."""
    rng = np.random.default_rng(2)
    lead, slope = rng.normal(size=(1, 199)), np.full((1, 199), 0.5)
    plain = effects_of(np.zeros(1), -lead, np.ones(1), 1.0 - slope)
    alike = slope.copy()
    alike[0, :3], lead[0, :3] = 0.0, 0.0
    wider = effects_of(np.zeros(1), -lead, np.ones(1), 1.0 - alike)
    assert wider.low[0] <= plain.low[0]
    assert wider.high[0] >= plain.high[0]
