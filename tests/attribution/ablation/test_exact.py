"""Real ablation: the survivors, the cost, and invariance to batching."""

from __future__ import annotations

from itertools import combinations
from typing import get_args

import numpy as np
import pytest
import torch

from attribution.ablation.exact import ablation_weights, counterfactual_batches, counterfactuals, joint_ablation_weights
from attribution.denoisers.schedule import Method
from attribution.sampling.noise import exogenous_noise
from attribution.sampling.sampler import sample
from attribution.sampling.schedule import SamplerSettings
from registry.encodings.codes import withdrawals_guaranteed
from registry.errors import CapacityError, UsageError
from tests.support.networks import LinearDenoiser, linear_ensemble, network_ensemble


def all_codes(n: int, h: int) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Every code of n members and weight h, one row each."""
    words = np.zeros((len(list(combinations(range(n), h))), n), dtype=np.bool_)
    for row, members in enumerate(combinations(range(n), h)):
        words[row, list(members)] = True
    return words


def test_survivors_share_the_weight() -> None:
    """Members that saw the unit have weight 0, the others 1/(n - h) each."""
    codes = all_codes(6, 2)
    weights = ablation_weights(codes).numpy()
    assert np.allclose(weights.sum(axis=1), 1)
    assert np.array_equal(weights > 0, ~codes)
    assert np.allclose(weights[~codes], 1 / 4)


def test_ablating_one_unit_keeps_every_other_unit() -> None:
    """E2: for two codes of equal weight, some survivor of the first has seen the second."""
    codes = all_codes(6, 3)
    survivors = ablation_weights(codes).numpy() > 0
    shared = survivors.astype(int) @ codes.T.astype(int)
    assert np.all((shared > 0) == ~np.eye(len(codes), dtype=bool))


def test_a_set_of_units_leaves_members_that_saw_none_of_them() -> None:
    """Three units of two members each: members 3 and 5 saw none."""
    membership = np.array([[1, 1, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0], [1, 0, 0, 0, 1, 0]], dtype=np.bool_)
    assert joint_ablation_weights(membership).tolist() == [0, 0, 0, 0.5, 0, 0.5]


def test_removing_too_many_says_how_many_can_go() -> None:
    """Two complementary codes leave no member: the error has the limit, in general and here."""
    membership = np.array([[1, 1, 1, 0, 0, 0], [1, 1, 0, 1, 0, 0], [0, 0, 0, 1, 1, 1]], dtype=np.bool_)
    with pytest.raises(CapacityError, match=r"3 units .* 6 members.* lose any 1 at once, and of these the first 2"):
        joint_ablation_weights(membership)
    with pytest.raises(CapacityError, match="all 2 members"):
        ablation_weights(np.ones((1, 2), dtype=np.bool_))
    with pytest.raises(UsageError, match="membership"):
        ablation_weights(np.ones((2, 2)))  # type: ignore[arg-type]  # the wrong type is what is tested


@pytest.mark.parametrize(("n", "h"), [(6, 3), (6, 2), (7, 2), (5, 1)])
def test_the_guaranteed_number_of_removals_is_the_largest(n: int, h: int) -> None:
    """Any set of that many codes leaves a survivor; some set of one more leaves none."""
    codes = all_codes(n, h)
    count = withdrawals_guaranteed(n, h)
    assert all(not np.any(codes[list(chosen)], axis=0).all() for chosen in combinations(range(len(codes)), count))
    assert any(np.any(codes[list(chosen)], axis=0).all() for chosen in combinations(range(len(codes)), count + 1))


@pytest.mark.parametrize("method", get_args(Method))
def test_many_ablations_at_once_are_the_single_ones(method: Method) -> None:
    """Batch, batch size and order change results by rounding only; progress counts units."""
    ensemble = network_ensemble(4, "conv")
    settings = SamplerSettings(method, steps=4)
    noise = exogenous_noise(8, settings.draws, (3, 8, 8)).double()
    codes = all_codes(4, 2)
    done: list[int] = []
    condition = torch.tensor([2])
    together = counterfactuals(
        ensemble, noise, settings, codes, condition=condition, rows_at_once=4, advanced=done.append
    )
    assert done == [4, 2]
    backwards = counterfactuals(ensemble, noise, settings, codes[::-1], condition=condition)
    assert backwards.flip(0) == pytest.approx(together, abs=1e-12)
    for row, weights in enumerate(ablation_weights(codes)):
        alone = sample(ensemble, noise[None], settings, weights=weights, condition=torch.tensor([2]))
        assert together[row] == pytest.approx(alone[0], abs=1e-12)


def test_ablation_costs_only_the_survivors() -> None:
    """Enumerating all codes of half weight evaluates half of the ensemble's rows."""
    ensemble = linear_ensemble(4)
    settings = SamplerSettings("ddim", steps=3)
    codes = all_codes(4, 2)
    counterfactuals(ensemble, exogenous_noise(1, 1, (2, 4, 4)).double(), settings, codes)
    rows = sum(member.rows_seen for member in ensemble.members if isinstance(member, LinearDenoiser))
    assert rows == 3 * len(codes) * 4 / 2


def test_units_seen_by_the_same_members_are_regenerated_once() -> None:
    """As after a withdrawal, with members out of service: every unit has its own result."""
    settings = SamplerSettings("ddim", steps=3)
    codes = all_codes(4, 2)[[0, 3, 0, 5, 3, 0]]
    noise = exogenous_noise(1, 1, (2, 4, 4)).double()
    ensemble = linear_ensemble(4)
    done: list[int] = []
    together = counterfactuals(ensemble, noise, settings, codes, rows_at_once=2, advanced=done.append)
    rows = sum(member.rows_seen for member in ensemble.members if isinstance(member, LinearDenoiser))
    assert rows == 3 * 3 * 4 / 2
    assert sum(done) == len(codes)
    for row, weights in enumerate(ablation_weights(codes)):
        assert together[row] == pytest.approx(sample(ensemble, noise[None], settings, weights=weights)[0], abs=1e-12)


def test_batches_hold_every_unit_once() -> None:
    """In order of the units, each with its image of the whole run."""
    settings = SamplerSettings("ddim", steps=3)
    codes = all_codes(4, 2)[[0, 3, 0, 5, 3, 1]]
    noise = exogenous_noise(1, 1, (2, 4, 4)).double()
    ensemble = linear_ensemble(4)
    whole = counterfactuals(ensemble, noise, settings, codes)
    parts = list(counterfactual_batches(ensemble, noise, settings, codes, rows_at_once=2))
    assert sorted(np.concatenate([units for units, _ in parts])) == list(range(6))
    assert [list(units) for units, _ in parts] == [[0, 1, 2, 4], [3, 5]]
    for units, outputs in parts:
        assert outputs == pytest.approx(whole[torch.from_numpy(units)], abs=1e-12)


def test_no_units_give_no_counterfactuals() -> None:
    """An empty shortlist is not an error."""
    noise = exogenous_noise(1, 1, (2, 4, 4))
    result = counterfactuals(linear_ensemble(4), noise, SamplerSettings("ddim"), np.zeros((0, 4), dtype=np.bool_))
    assert result.shape == (0, 2, 4, 4)
