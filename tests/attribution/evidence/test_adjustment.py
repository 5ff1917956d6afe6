"""Adjustment: regression by hand, exact under the null, more powerful where works overlap."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from attribution.evidence.adjustment import RIDGE, Neighbours, alignment_alone, member_alignment, neighbours_of
from attribution.evidence.randomisation import assess_alignment, assess_shortlist
from attribution.ranking.encoded_works import EncodedWorks
from registry.encodings.codes import codes_of, decoys
from registry.encodings.words import bits
from registry.errors import UsageError
from tests.attribution.evidence.test_randomisation import predictions_of

N, H, UNITS, VALUES = 10, 5, 40, 12


def world(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Similar pictures, members that saw them, decoys' bits; all units but 0 pull members."""
    rng = np.random.default_rng(seed)
    pictures = rng.normal(size=(UNITS, VALUES)) * 0.4 + rng.normal(size=VALUES)
    membership = bits(codes_of(seed, N, H, np.arange(UNITS)), N)
    others = bits(decoys(seed, N, H, UNITS, 10_000, draw_seed=0), N)
    effects = rng.gamma(0.5, size=UNITS) * 0.3
    effects[0] = 0.0
    clean = (effects * (membership - 0.5).T) @ pictures + 0.05 * rng.normal(size=(N, VALUES))
    return pictures, membership, others, clean


def around(pictures: np.ndarray, membership: np.ndarray, first: int = 0) -> Neighbours:
    return Neighbours(np.arange(first, UNITS), pictures[first:], membership[first:])


def test_residual_is_that_of_ridge_regression() -> None:
    """Against a regression with a column per neighbour, over every value of every member."""
    pictures, membership, _, clean = world(0)
    found = member_alignment(clean, pictures[:2], around(pictures, membership), [np.array([0]), np.array([1])])
    mean = clean.mean(axis=0)
    for unit in range(2):
        rest = [k for k in range(UNITS) if k != unit]
        columns = np.stack([np.outer(membership[k] - 0.5, pictures[k] - mean).ravel() for k in rest], axis=1)
        ridge = RIDGE * (columns**2).sum() / len(rest)
        theta = np.linalg.solve(columns.T @ columns + ridge * np.eye(len(rest)), columns.T @ (clean - mean).ravel())
        left = (clean - mean) - (columns @ theta).reshape(N, VALUES)
        np.testing.assert_allclose(found.alignment[unit], left @ (pictures[unit] - mean), rtol=1e-6, atol=1e-9)


def test_growth_is_what_an_effect_adds() -> None:
    """Moving members that saw the unit all the way, about the same mean, adds growth by code."""
    pictures, membership, _, clean = world(1)
    close, left_out = around(pictures, membership), [np.array([3])]
    before = member_alignment(clean, pictures[3:4], close, left_out)
    moves = membership[3] - 0.5
    moved = clean + np.outer(moves, pictures[3] - clean.mean(axis=0))
    after = member_alignment(moved, pictures[3:4], close, left_out)
    np.testing.assert_allclose(after.alignment - before.alignment, before.growth @ moves, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(before.growth[0], before.growth[0].T, rtol=1e-9, atol=1e-9)
    assert np.linalg.eigvalsh(before.growth[0])[0] > 0.0
    np.testing.assert_array_equal(alignment_alone(clean, pictures[3:4], close, left_out), before.alignment)


def test_pulls_do_not_depend_on_the_units_own_code() -> None:
    """Exactness rests on it: the unit's bits, also among the neighbours, change no pull."""
    pictures, membership, _, clean = world(2)
    other = membership.copy()
    other[0] = ~other[0]
    left_out = [np.array([0])]
    one = member_alignment(clean, pictures[:1], around(pictures, membership), left_out)
    two = member_alignment(clean, pictures[:1], around(pictures, other), left_out)
    np.testing.assert_array_equal(one.alignment, two.alignment)
    np.testing.assert_array_equal(one.growth, two.growth)


def test_p_values_are_uniform_under_the_sharp_null() -> None:
    """Over encodings with members moved by every unit but the tested one."""
    p_values = []
    for seed in range(300):
        pictures, membership, others, clean = world(seed)
        pulls = member_alignment(clean, pictures[:1], around(pictures, membership), [np.array([0])])
        p_values.append(assess_alignment(pulls, membership[:1], others).p_value[0])
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_neighbours_make_effects_visible() -> None:
    """If members differ by other works, adjustment finds effects that the contrast misses."""
    p_values: dict[str, list[float]] = {"plain": [], "adjusted": []}
    for seed in range(60):
        pictures, membership, others, _ = world(seed)
        effects = np.array([0.3, *[0.5] * 6])
        clean = (effects * (membership[:7] - 0.5).T) @ pictures[:7]
        clean += 0.1 * np.random.default_rng(seed).normal(size=clean.shape)
        close = Neighbours(np.arange(7), pictures[:7], membership[:7])
        for name, taken_off in (("plain", None), ("adjusted", close)):
            pulls = member_alignment(clean, pictures[:1], taken_off, [np.array([0])])
            p_values[name].append(assess_alignment(pulls, membership[:1], others).p_value[0])
    found = {name: np.mean(np.array(values) <= 0.05) for name, values in p_values.items()}
    assert found["adjusted"] > found["plain"] + 0.2


def test_neighbours_are_the_first_of_the_order() -> None:
    """Pictures are in the members' range; a tested unit's number excludes it."""
    pictures, membership, _, clean = world(3)
    codes = codes_of(3, N, H, np.arange(UNITS))
    values = (pictures / 8 + 0.5).astype(np.float32)
    encoded = EncodedWorks.in_memory(values, np.arange(UNITS), codes, membership)
    found = neighbours_of(encoded, values[0], np.array([5, 2, 9]))
    assert found.units.tolist() == [5, 2, 9]
    np.testing.assert_allclose(found.images, 2.0 * values[[5, 2, 9]] - 1.0, rtol=1e-6)
    assert found.without(np.array([2])).units.tolist() == [5, 9]
    drawn = decoys(3, N, H, UNITS, 100, draw_seed=0)
    with pytest.raises(UsageError, match="own neighbour"):
        assess_shortlist(predictions_of(clean), pictures[:1], codes[:1], drawn, N, None, found)
