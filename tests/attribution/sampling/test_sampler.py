"""Samplers against diffusers' schedulers, and their invariances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler
from diffusers.schedulers import scheduling_ddpm
from torch import Tensor

from attribution.denoisers.ensemble import Ensemble, mix
from attribution.denoisers.schedule import Method, Spacing, alpha_bars
from attribution.images import to_pixels
from attribution.sampling.noise import noise_batch
from attribution.sampling.sampler import Observation, sample, saturated_fraction
from attribution.sampling.schedule import SamplerSettings
from registry.errors import UsageError
from tests.support.networks import LinearDenoiser, linear_ensemble, network_ensemble


def toy(settings: SamplerSettings) -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
    """Noise as if the clean image were out of range in places, so that clipping matters."""
    levels = torch.from_numpy(alpha_bars(settings))

    def eps(x: Tensor, t: Tensor, _: Tensor | None) -> Tensor:
        time = t.double().div(1000)[:, None, None, None]
        picture = 1.3 * torch.sin(torch.arange(x[0].numel(), dtype=torch.float64)).reshape(x[0].shape).to(x)
        signal = levels[t][:, None, None, None].to(x)
        return (x - signal.sqrt() * (picture + 0.1 * torch.tanh(x) * time.to(x))) / (1 - signal).sqrt()

    return eps


def diffusers_sample(noise: Tensor, settings: SamplerSettings, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    """One run of diffusers' own scheduler under our noise."""
    options: dict[str, Any] = {
        "num_train_timesteps": 1000,
        "beta_start": settings.beta_start,
        "beta_end": settings.beta_end,
        "beta_schedule": settings.beta_schedule,
        "timestep_spacing": settings.spacing,
        "steps_offset": settings.offset,
    }
    if settings.method == "dpm++":
        scheduler = DPMSolverMultistepScheduler(**options)
    else:
        options["clip_sample"] = settings.clip
        scheduler = {"ddim": DDIMScheduler, "ddpm": DDPMScheduler}[settings.method](**options)
    scheduler.set_timesteps(settings.steps)
    # Their DDPM adds noise (of a variance near 0) after a last step above t = 0; ours never does.
    draws = iter([*noise[:, 1:].unbind(1), torch.zeros_like(noise[:, 0])])
    monkeypatch.setattr(scheduling_ddpm, "randn_tensor", lambda *_, **__: next(draws))
    x, eps = noise[:, 0], toy(settings)
    for t in scheduler.timesteps:
        x = scheduler.step(eps(x, t.expand(len(x)), None), t, x).prev_sample
    return x


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of diffusers
@pytest.mark.parametrize(
    ("method", "clip"), [("ddpm", True), ("ddpm", False), ("ddim", True), ("ddim", False), ("dpm++", False)]
)
@pytest.mark.parametrize("steps", [50, 30])
def test_samples_agree_with_diffusers(method: Method, steps: int, clip: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the same noise, diffusers' image to 1e-5; with clipping, once clamped."""
    settings = SamplerSettings(method, steps=steps, clip=clip)
    noise = noise_batch([1, 2], settings.draws, (3, 8, 8))
    theirs = diffusers_sample(noise, settings, monkeypatch)
    ours = sample(Ensemble([toy(settings)]), noise, settings)
    assert ours.abs().max() > 1.01, "the toy picture must saturate, or clipping is not tested"
    assert (ours.clamp(-1, 1) if clip else ours) == pytest.approx(theirs, abs=1e-5)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of diffusers
@pytest.mark.parametrize(("spacing", "offset"), [("leading", 1), ("trailing", 0)])
@pytest.mark.parametrize("method", get_args(Method))
def test_samples_under_the_schedule_of_a_base_agree_with_diffusers(
    method: Method, spacing: Spacing, offset: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The betas of Stable Diffusion, its offset, and trailing spacing; 25 divides 1000."""
    settings = SamplerSettings(
        method,
        25,
        beta_start=0.00085,
        beta_end=0.012,
        clip=False,
        beta_schedule="scaled_linear",
        spacing=spacing,
        offset=offset,
    )
    noise = noise_batch([1, 2], settings.draws, (4, 8, 8))
    theirs = diffusers_sample(noise, settings, monkeypatch)
    assert sample(Ensemble([toy(settings)]), noise, settings) == pytest.approx(theirs, abs=2e-5)


@pytest.mark.parametrize("method", get_args(Method))
def test_a_sample_does_not_depend_on_its_batch(method: Method) -> None:
    """Alone, in a batch, or in another order: the same image up to rounding."""
    ensemble = network_ensemble(3, "conv")
    settings = SamplerSettings(method, steps=5)
    noise = noise_batch([10, 11, 12], settings.draws, (3, 8, 8)).double()
    labels = torch.tensor([0, 3, 1])
    together = sample(ensemble, noise, settings, condition=labels)
    order = torch.tensor([2, 0, 1])
    assert sample(ensemble, noise[order], settings, condition=labels[order]) == pytest.approx(
        together[order], abs=1e-12
    )
    for row in range(3):
        alone = sample(ensemble, noise[row : row + 1], settings, condition=labels[row : row + 1])
        assert alone[0] == pytest.approx(together[row], abs=1e-12)
    assert sample(ensemble, noise, settings, condition=labels.flip(0)) != pytest.approx(together, abs=1e-3)


def test_an_ensemble_of_equal_members_is_that_member() -> None:
    """Weights sum to one, so copies of one network sample as the network does."""
    member = network_ensemble(1, "conv").members[0]
    settings = SamplerSettings(steps=4)
    noise = noise_batch([3], settings.draws, (3, 8, 8)).double()
    alone = sample(Ensemble([member]), noise, settings)
    assert sample(Ensemble([member] * 5), noise, settings) == pytest.approx(alone, abs=1e-12)


def test_rows_with_their_own_weights_evaluate_only_surviving_members() -> None:
    """Each row equals the row alone under its weights; members of weight zero do not run."""
    ensemble = linear_ensemble(4)
    members = [member for member in ensemble.members if isinstance(member, LinearDenoiser)]
    settings = SamplerSettings(steps=3)
    noise = noise_batch([1, 2], settings.draws, (2, 4, 4)).double()
    weights = torch.tensor([[0.5, 0.5, 0, 0], [0, 0.25, 0.75, 0]], dtype=torch.float64)
    together = sample(ensemble, noise, settings, weights=weights)
    assert [member.rows_seen for member in members] == [3, 6, 3, 0]
    for row in range(2):
        assert sample(ensemble, noise[row : row + 1], settings, weights=weights[row])[0] == pytest.approx(
            together[row], abs=1e-12
        )


def test_the_observer_sees_the_trajectory_and_every_member() -> None:
    """The last predicted clean images, mixed, are the output: sums need no second run."""
    seen: list[Observation] = []
    ensemble = linear_ensemble(3)
    settings = SamplerSettings(steps=6)
    noise = noise_batch([4], settings.draws, (2, 4, 4)).double()
    y = sample(ensemble, noise, settings, observe=seen.append)
    assert [observation.step.timestep for observation in seen] == [830, 664, 498, 332, 166, 0]
    assert torch.equal(seen[0].x_t, noise[:, 0])
    assert seen[0].outputs.shape == (3, 1, 2, 4, 4)
    assert seen[-1].sqrt_alpha_bar == pytest.approx(0.99995)
    assert mix(seen[-1].clean_images(), ensemble.uniform_weights()) == pytest.approx(y, abs=1e-12)


def test_pixels_round_to_the_nearest_level() -> None:
    """-1 is black, 1 is white, others are clipped; pixels survive the way there and back."""
    y = torch.tensor([-3.0, -1.0, -1 + 1.4 / 255, 0.9999, 1.0, 7.0]).reshape(1, 1, 2, 3)
    assert to_pixels(y).tolist() == [[[[0], [0], [1]], [[255], [255], [255]]]]
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1)
    assert torch.equal(to_pixels((levels.float() / 127.5 - 1).movedim(-1, 1)), levels)
    assert saturated_fraction(y).tolist() == pytest.approx([2 / 6])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"noise": torch.zeros(2, 1, 2, 4, 4)}, "noise of shape"),
        ({"noise": torch.zeros(3, 2, 4, 4)}, "noise of shape"),
        ({"weights": torch.ones(3)}, "weights of shape"),
        ({"condition": torch.zeros(3, dtype=torch.int64)}, "condition of 3 rows"),
    ],
)
def test_contradicting_shapes_are_refused(change: dict[str, Tensor], message: str) -> None:
    """Every argument is checked against the others before a network runs."""
    arguments: dict[str, Any] = {"noise": torch.zeros(2, 3, 2, 4, 4), **change}
    with pytest.raises(UsageError, match=message):
        sample(linear_ensemble(2), arguments.pop("noise"), SamplerSettings(steps=3), **arguments)


@pytest.mark.parametrize("count", [0, 65])
def test_an_ensemble_has_one_to_64_members(count: int) -> None:
    """A code has at most 64 bits."""
    with pytest.raises(UsageError, match="members"):
        Ensemble([toy(SamplerSettings())] * count)
