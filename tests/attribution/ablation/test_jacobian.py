"""The Jacobian over weights: finite differences (E8), Taylor (E9), closed forms, invariances."""

from __future__ import annotations

import math
from itertools import combinations, pairwise, product
from typing import get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from attribution.ablation.jacobian import random_members, sample_with_jacobian
from attribution.denoisers.ensemble import Ensemble
from attribution.denoisers.schedule import Method
from attribution.sampling.noise import noise_batch
from attribution.sampling.sampler import Observation, sample
from attribution.sampling.schedule import SamplerSettings, steps_of
from registry.errors import UsageError
from tests.support.networks import LinearDenoiser, linear_ensemble, network_ensemble, seeded


def relative_error(got: Tensor, expected: Tensor) -> float:
    """Length of the difference by length of the expected value."""
    return float(torch.linalg.vector_norm(got - expected) / torch.linalg.vector_norm(expected))


def central_differences(ensemble: Ensemble, noise: Tensor, settings: SamplerSettings, width: float = 1e-5) -> Tensor:
    """dy/dv at u0 by plain sampling on either side, one member at a time."""
    u0 = ensemble.uniform_weights()
    columns = []
    for index in range(ensemble.n):
        move = torch.zeros_like(u0)
        move[index] = width
        ahead, behind = (sample(ensemble, noise, settings, weights=u0 + sign * move) for sign in (1, -1))
        columns.append((ahead - behind) / (2 * width))
    return torch.stack(columns, dim=1)


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("method", get_args(Method))
@pytest.mark.parametrize("kind", ["conv", "unet", "attention"])
def test_jacobian_agrees_with_central_differences(kind: str, method: Method, clip: bool) -> None:
    """E8: to 1e-6 relative in float64, with y the plain sample."""
    ensemble = network_ensemble(3, kind)
    settings = SamplerSettings(method, steps=4, clip=clip)
    noise = noise_batch([1, 2], settings.draws, (3, 8, 8)).double()
    result = sample_with_jacobian(ensemble, noise, settings)
    assert result.y == pytest.approx(sample(ensemble, noise, settings), abs=1e-12)
    assert relative_error(result.jacobian, central_differences(ensemble, noise, settings)) < 1e-6


def test_clipping_within_the_run_is_differentiated_and_the_last_step_is_not_clipped() -> None:
    """The example clips at an intermediate step and leaves the range at the end, as it must."""
    ensemble = network_ensemble(3, "conv")
    settings = SamplerSettings(steps=4)
    seen: list[Observation] = []
    noise = noise_batch([1, 2], settings.draws, (3, 8, 8)).double()
    result = sample_with_jacobian(ensemble, noise, settings, observe=seen.append)
    fractions = [float((item.clean_images().mean(dim=0).abs() > 1).double().mean()) for item in seen]
    assert all(0.05 < fraction < 0.999 for fraction in fractions[1:]), fractions
    assert (result.y.abs() > 1).any()
    saturated = (result.y.abs() > 1)[:, None].expand_as(result.jacobian)
    assert (result.jacobian[saturated] != 0).all()


@pytest.mark.parametrize("method", get_args(Method))
def test_the_error_of_the_linear_estimate_falls_as_the_square_of_the_step(method: Method) -> None:
    """E9: halving the step towards other weights quarters Taylor's remainder."""
    ensemble = network_ensemble(4, "conv")
    settings = SamplerSettings(method, steps=5, clip=False)
    noise = noise_batch([5], settings.draws, (3, 8, 8)).double()
    result = sample_with_jacobian(ensemble, noise, settings)
    u0 = ensemble.uniform_weights()
    direction = torch.tensor([1.0, 1.0, -1.0, -1.0], dtype=torch.float64)
    errors = []
    for power in range(5):
        step = 0.02 / 2**power * direction
        exact = sample(ensemble, noise, settings, weights=u0 + step)
        estimate = result.y + torch.einsum("bnchw,n->bchw", result.jacobian, step)
        errors.append(float(torch.linalg.vector_norm(exact - estimate)))
    orders = [math.log2(before / after) for before, after in pairwise(errors)]
    assert orders[-1] == pytest.approx(2, abs=0.05), orders


def test_members_that_ignore_the_image_have_a_jacobian_in_closed_form() -> None:
    """With f_i = b_i, y is affine in v: slope b_i times a sum of products of coefficients."""
    offsets = torch.randn((3, 2, 4, 4), generator=seeded(1), dtype=torch.float64)
    ensemble = Ensemble([LinearDenoiser(0.0, offset) for offset in offsets])
    for method in get_args(Method):
        settings = SamplerSettings(method, steps=6, clip=False)
        slope = before = 0.0
        for step in steps_of(settings):
            clean = (slope - step.sqrt_noise) / step.sqrt_alpha_bar
            slope = step.from_current * slope + step.from_clean * clean + step.from_before * before + step.from_eps
            before = clean
        noise = noise_batch([1, 2], settings.draws, (2, 4, 4)).double()
        result = sample_with_jacobian(ensemble, noise, settings)
        for row in range(2):
            assert result.jacobian[row] == pytest.approx(slope * offsets, rel=1e-10)


def test_jacobian_does_not_depend_on_batch_or_order() -> None:
    """A row in a batch equals the row alone, labels included."""
    ensemble = network_ensemble(3, "conv")
    settings = SamplerSettings(steps=4)
    noise = noise_batch([7, 8, 9], settings.draws, (3, 8, 8)).double()
    labels = torch.tensor([2, 0, 5])
    together = sample_with_jacobian(ensemble, noise, settings, condition=labels)
    for row in range(3):
        one = slice(row, row + 1)
        alone = sample_with_jacobian(ensemble, noise[one], settings, condition=labels[one])
        assert alone.y == pytest.approx(together.y[one], abs=1e-12)
        assert alone.jacobian == pytest.approx(together.jacobian[one], rel=1e-9, abs=1e-10)


def test_the_observer_sees_what_a_plain_run_shows() -> None:
    """So predictions from the differentiating run are those of the sampling run."""
    ensemble = network_ensemble(2, "unet")
    settings = SamplerSettings("ddim", steps=3)
    noise = noise_batch([3], settings.draws, (3, 8, 8)).double()
    plain: list[Observation] = []
    differentiated: list[Observation] = []
    sample(ensemble, noise, settings, observe=plain.append)
    sample_with_jacobian(ensemble, noise, settings, observe=differentiated.append)
    for first, second in zip(plain, differentiated, strict=True):
        assert first.step == second.step
        assert type(second.outputs) is Tensor
        assert torch.equal(first.x_t, second.x_t)
        assert torch.equal(first.outputs, second.outputs)


def test_each_member_computes_its_own_value_once_for_all_tangents() -> None:
    """One call of every member per step, on the batch and not on batch times members."""
    ensemble = linear_ensemble(5)
    settings = SamplerSettings(steps=4)
    sample_with_jacobian(ensemble, noise_batch([1, 2], settings.draws, (2, 4, 4)).double(), settings)
    assert [member.rows_seen for member in ensemble.members if isinstance(member, LinearDenoiser)] == [8] * 5


def test_tangents_through_a_few_members_are_right_in_the_mean() -> None:
    """The mean over every choice at every step is the Jacobian; y and observations are exact."""
    ensemble = network_ensemble(3, "conv")
    settings = SamplerSettings("ddim", steps=3)
    noise = noise_batch([1, 2], settings.draws, (3, 8, 8)).double()
    exact = sample_with_jacobian(ensemble, noise, settings)
    choices = list(product(combinations(range(3), 2), repeat=2))
    total = torch.zeros_like(exact.jacobian)
    errors = []
    for choice in choices:
        estimate = sample_with_jacobian(ensemble, noise, settings, carrying=((), *choice).__getitem__)
        assert torch.equal(estimate.y, exact.y)
        errors.append(relative_error(estimate.jacobian, exact.jacobian))
        total += estimate.jacobian / len(choices)
    assert relative_error(total, exact.jacobian) < 1e-10
    assert min(errors) > 1e-3


def test_random_members_are_a_function_of_the_step_alone() -> None:
    """The requested number, uniform over members, different by step; all: the exact run."""
    choose = random_members(6, 2)
    drawn = [tuple(choose(step)) for step in range(3000)]
    assert drawn == [tuple(random_members(6, 2)(step)) for step in range(3000)]
    counts = np.bincount([member for chosen in drawn for member in chosen], minlength=6)
    assert all(len(set(chosen)) == 2 for chosen in drawn)
    assert np.abs(counts - 1000).max() < 5 * math.sqrt(3000 * 2 / 9)
    assert len(set(drawn)) == 15
    ensemble = network_ensemble(3, "conv")
    settings = SamplerSettings(steps=3)
    noise = noise_batch([1], settings.draws, (3, 8, 8)).double()
    every = sample_with_jacobian(ensemble, noise, settings, carrying=random_members(3, 3))
    assert torch.equal(every.jacobian, sample_with_jacobian(ensemble, noise, settings).jacobian)
    with pytest.raises(UsageError, match="choose 1 to 3"):
        random_members(3, 4)


def test_cheaper_jacobian_evaluates_members_no_more_often() -> None:
    """A member without tangents is still evaluated once a step, since its output is F."""
    ensemble = linear_ensemble(5)
    settings = SamplerSettings(steps=4)
    noise = noise_batch([1, 2], settings.draws, (2, 4, 4)).double()
    sample_with_jacobian(ensemble, noise, settings, carrying=random_members(5, 2))
    assert [member.rows_seen for member in ensemble.members if isinstance(member, LinearDenoiser)] == [8] * 5
