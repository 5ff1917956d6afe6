"""Shares of an output: they add up, and what must hold for any members, works and codes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution.evidence.adjustment import Neighbours
from attribution.evidence.effect_interval import NO_NUMBER
from attribution.evidence.shares import Shares, shares_of
from attribution.metrics.euclidean import NotMeasured

N, H, VALUES = 8, 4, 24
WORDS = np.array([[member in chosen for member in range(N)] for chosen in combinations(range(N), H)])
DRAWS = 24


class Members:
    """Members that add, for every unit that they saw, an effect towards its picture."""

    def __init__(self, seed: int, units: int, noise: float = 0.3) -> None:
        generator = np.random.default_rng(seed)
        self.images = generator.normal(size=(units, VALUES))
        rows = generator.permutation(len(WORDS))
        self.membership, self.decoys = WORDS[rows[:units]], WORDS[rows[units:]]
        self.strength = generator.uniform(0.0, 1.0, units) * (generator.random(units) < 0.7)
        self.noise = noise * generator.normal(size=(N, VALUES))

    @property
    def predictions(self) -> np.ndarray:
        return np.asarray((self.membership * self.strength[:, None]).T @ self.images + self.noise)

    def shares(
        self,
        images: np.ndarray | None = None,
        membership: np.ndarray | None = None,
        look_alikes: Sequence[np.ndarray] = (),
    ) -> Shares:
        found = shares_of(
            self.predictions,
            self.images if images is None else images,
            self.membership if membership is None else membership,
            self.decoys,
            None,
            look_alikes,
            5,
            DRAWS,
        )
        assert isinstance(found, Shares)
        return found


seeds = st.integers(0, 2**32 - 1)


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(1, 10))
def test_shares_are_not_negative_and_sum_to_one(seed: int, units: int) -> None:
    """The unattributed part included, also in every resample; the interval holds the share."""
    found = Members(seed, units).shares()
    for row in (found.value, *found.draws):
        assert (row >= 0).all()
        assert row.sum() == pytest.approx(1.0)
    assert len(found.value) == units + 1
    assert (found.low <= found.value).all()
    assert (found.value <= found.high).all()


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_the_order_of_units_changes_nothing(seed: int) -> None:
    """The values, the intervals and the draws move with the units."""
    members = Members(seed, 6)
    order = np.random.default_rng(seed).permutation(6)
    groups, moved_groups = [np.array([1, 4])], [np.sort(np.argsort(order)[[1, 4]])]
    found = members.shares(look_alikes=groups)
    moved = members.shares(members.images[order], members.membership[order], moved_groups)
    for name in ("value", "low", "high"):
        one, other = getattr(found, name), getattr(moved, name)
        assert one[[*order, 6]] == pytest.approx(other, abs=1e-6)


@settings(deadline=None, max_examples=20)
@given(seeds, st.floats(0.01, 100.0), st.floats(-5.0, 5.0))
def test_scale_and_brightness_change_nothing(seed: int, scale: float, shift: float) -> None:
    """Predictions and pictures in other units divide alike."""
    members = Members(seed, 5)
    found = members.shares()
    other = shares_of(
        scale * members.predictions + shift,
        scale * members.images + shift,
        members.membership,
        members.decoys,
        None,
        (),
        5,
        DRAWS,
    )
    assert isinstance(other, Shares)
    assert other.value == pytest.approx(found.value, abs=1e-6)


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_a_unit_that_no_member_saw_gets_nothing(seed: int) -> None:
    """Nor does a unit that all members saw, since nothing tells its effect; not in any resample."""
    members = Members(seed, 6)
    membership = members.membership.copy()
    membership[1], membership[4] = False, True
    found = members.shares(membership=membership)
    assert not found.value[[1, 4]].any()
    assert not found.draws[:, [1, 4]].any()
    assert not found.high[[1, 4]].any()


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_twins_have_equal_shares(seed: int) -> None:
    """Works that show nearly the same picture, whatever their codes and however the effect fell."""
    members = Members(seed, 6)
    images = members.images.copy()
    images[3] = images[0] + 0.01 * images[3]
    found = members.shares(images, look_alikes=[np.array([0, 3])])
    assert found.value[0] == pytest.approx(found.value[3])
    assert found.draws[:, 0] == pytest.approx(found.draws[:, 3])


def test_shares_divide_as_the_squared_effects_do() -> None:
    """Effects 3, 2 and 0 on works that have nothing in common: 9 to 4, and little else."""
    members = Members(1, 3)
    images = np.linalg.qr(members.images.T)[0].T
    codes = members.membership - members.membership.mean(axis=1, keepdims=True)
    predictions = (codes * np.array([[0.3], [0.2], [0.0]])).T @ images
    found = shares_of(predictions, images, members.membership, members.decoys, None, (), 5, DRAWS)
    assert isinstance(found, Shares)
    assert found.value[0] / found.value[1] == pytest.approx(9 / 4, rel=0.2)
    assert found.value[2] < 0.01
    assert found.value[3] < 0.2


def test_members_that_differ_by_noise_alone_leave_all_but_little_unattributed() -> None:
    """Over many ensembles without any effect, the shares of ten units are small together."""
    left = []
    for seed in range(40):
        members = Members(seed, 10, noise=1.0)
        members.strength = np.zeros(10)
        left.append(members.shares().value[-1])
    assert np.mean(left) > 0.85


@pytest.mark.parametrize("seed", [4, 5, 6])
def test_neighbours_take_what_is_theirs(seed: int) -> None:
    """A look-alike without an effect has a share for want of the work that has one; with that work
    beside the shortlist, nearly all of it goes to the unattributed part.
    """
    members = Members(seed, 4, noise=0.05)
    members.strength = np.array([0.5, 0.0, 0.0, 0.0])
    near = 0.8 * members.images[0] + 0.6 * members.images[1]
    neighbours = Neighbours(np.array([7]), members.images[:1], members.membership[:1])
    arguments = (members.predictions, near[None], members.membership[1:2], members.decoys)
    alone, beside = shares_of(*arguments, None, (), 5, DRAWS), shares_of(*arguments, neighbours, (), 5, DRAWS)
    assert isinstance(alone, Shares)
    assert isinstance(beside, Shares)
    assert alone.value[0] > 0.05
    assert beside.value[0] < 0.01
    assert beside.value[-1] > alone.value[-1]


def test_a_prediction_that_is_no_number_is_not_divided() -> None:
    """The reason stands in place of the shares."""
    members = Members(0, 2)
    members.noise[0, 0] = np.nan
    found = shares_of(members.predictions, members.images, members.membership, members.decoys, None, (), 5, DRAWS)
    assert found == NotMeasured(NO_NUMBER)


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_treating_works_alike_changes_nothing_for_others(seed: int) -> None:
    """The group has as much together as its works had separately; the others keep their shares."""
    members = Members(seed, 6)
    apart, alike = members.shares(), members.shares(look_alikes=[np.array([0, 3])])
    assert alike.value[[0, 3]].sum() == pytest.approx(apart.value[[0, 3]].sum())
    assert alike.value[[1, 2, 4, 5, 6]] == pytest.approx(apart.value[[1, 2, 4, 5, 6]])


@pytest.mark.parametrize(("second_teaches", "least", "most"), [(0.0, 0.35, 0.65), (1.0, 1.25, 1.9)])
def test_copies_of_a_work_share_what_the_members_differ_by(second_teaches: float, least: float, most: float) -> None:
    """A second copy that teaches nothing leaves the two about half of the work's share alone, since
    members differ less; one that teaches as much as the first leaves them one and a half.
    """
    alone, together = 0.0, 0.0
    for seed in range(60):
        members = Members(seed, 6, 0.1)
        members.images[1] = members.images[0]
        members.strength[:2], members.strength[2:] = 0.0, 0.3
        first, second = members.membership[:2].astype(float)
        for copies in (1, 2):
            learnt = first if copies == 1 else np.maximum(first, second) + second_teaches * first * second
            taught = members.predictions + 0.3 * learnt[:, None] * members.images[0]
            listed = np.arange(6)[2 - copies :]
            groups = [] if copies == 1 else [np.array([0, 1])]
            membership = members.membership.copy()
            membership[1] = membership[0] if copies == 1 else membership[1]
            found = shares_of(
                taught, members.images[listed], membership[listed], members.decoys, None, groups, 5, draws=2
            )
            assert isinstance(found, Shares)
            if copies == 1:
                alone += found.value[0]
            else:
                together += found.value[:2].sum()
    assert least < together / alone < most
