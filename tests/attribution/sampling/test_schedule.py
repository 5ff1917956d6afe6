"""The schedule and the samplers' coefficients."""

from __future__ import annotations

import json
import math
from typing import Any, get_args

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

from attribution.denoisers.schedule import Betas, Method, Spacing, alpha_bars
from attribution.ensemble.recipe import EnsembleSettings, TrainingSettings
from attribution.sampling.schedule import SamplerSettings, schedule_of, steps_of, timesteps_of
from registry.errors import InputError, UsageError


@pytest.mark.parametrize("method", get_args(Method))
@pytest.mark.parametrize("steps", [1, 3, 50, 500])
def test_steps_keep_the_variance_of_the_forward_process(method: Method, steps: int) -> None:
    """Given the true noise, x_next has mean sqrt(alpha_bar) x_0 and variance 1 - alpha_bar."""
    plan = steps_of(SamplerSettings(method=method, steps=steps))
    signal = [step.alpha_bar for step in plan[1:]] + [1.0]
    for step, after in zip(plan, signal, strict=True):
        image = step.from_clean + step.from_before + step.from_current * step.sqrt_alpha_bar
        noise = step.from_current * step.sqrt_noise + step.from_eps
        assert image == pytest.approx(math.sqrt(after), abs=1e-12)
        assert noise**2 + step.sigma**2 == pytest.approx(1.0 - after, abs=1e-12)


def test_the_last_step_gives_the_predicted_clean_image_unclipped() -> None:
    """So that y has a derivative everywhere; all steps before it clip."""
    for method in get_args(Method):
        plan = steps_of(SamplerSettings(method=method))
        last = plan[-1]
        assert (last.clip, last.sigma) == (False, 0.0)
        assert (last.from_clean, last.from_before, last.from_current, last.from_eps) == pytest.approx(
            (1.0, 0.0, 0.0, 0.0), abs=1e-12
        )
        assert all(step.clip for step in plan[:-1])
        assert not any(step.clip for step in steps_of(SamplerSettings(method=method, clip=False)))


def test_noise_images_match_the_stochastic_steps() -> None:
    """A sample uses its start and one image per step that adds noise, no more."""
    for settings in (
        SamplerSettings(steps=7),
        SamplerSettings("ddim", steps=7),
        SamplerSettings(steps=1),
        SamplerSettings("dpm++"),
    ):
        assert settings.draws == 1 + sum(step.sigma > 0 for step in steps_of(settings))


def test_alpha_bars_fall_from_nearly_one_to_nearly_zero() -> None:
    """The linear schedule of DDPM: the last image is noise to within 1 %."""
    signal = alpha_bars(SamplerSettings())
    assert signal[0] == pytest.approx(1 - 1e-4)
    assert all(signal[1:] < signal[:-1])
    assert math.sqrt(signal[-1]) < 0.01


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of diffusers
@pytest.mark.parametrize(("spacing", "offset"), [("leading", 0), ("leading", 1), ("trailing", 0)])
@pytest.mark.parametrize("betas", get_args(Betas))
@pytest.mark.parametrize("steps", [1, 20, 30, 50])
@pytest.mark.parametrize("method", get_args(Method))
def test_schedules_and_timesteps_are_those_of_diffusers(
    method: Method, steps: int, betas: Betas, spacing: Spacing, offset: int
) -> None:
    """Cumulative products to single precision; timesteps to the number."""
    scheduler = {"ddpm": DDPMScheduler, "ddim": DDIMScheduler, "dpm++": DPMSolverMultistepScheduler}[method](
        beta_start=0.00085, beta_end=0.012, beta_schedule=betas, timestep_spacing=spacing, steps_offset=offset
    )
    scheduler.set_timesteps(steps)
    settings = SamplerSettings(
        method, steps, beta_start=0.00085, beta_end=0.012, beta_schedule=betas, spacing=spacing, offset=offset
    )
    assert timesteps_of(settings) == scheduler.timesteps.tolist()
    torch.testing.assert_close(
        torch.from_numpy(alpha_bars(settings)), scheduler.alphas_cumprod.double(), rtol=1e-4, atol=1e-6
    )


def test_the_schedule_of_a_training_is_sampled() -> None:
    """The way between the betas is part of both recipes; the default is never written."""
    training = TrainingSettings(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    assert (alpha_bars(schedule_of(training)) == alpha_bars(training)).all()
    settings = EnsembleSettings(training=training)
    document = settings.to_json()
    assert EnsembleSettings.from_json(json.loads(json.dumps(document))) == settings
    assert "beta_schedule" not in TrainingSettings().to_json()
    with pytest.raises(InputError, match="beta_schedule"):
        EnsembleSettings.from_json({**document, "training": {**document["training"], "beta_schedule": "linear"}})
    with pytest.raises(UsageError, match="'cosine', expected linear or scaled_linear"):
        TrainingSettings(beta_schedule="cosine")  # type: ignore[arg-type]  # as read from outside


def test_settings_survive_json() -> None:
    """Stored settings are enough to sample again, even if JSON has lost the point of a float."""
    settings = SamplerSettings("ddim", steps=20, beta_start=0.002, clip=False)
    assert SamplerSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings
    assert SamplerSettings.from_json({**settings.to_json(), "steps": 10}).steps == 10
    base = SamplerSettings("dpm++", 20, beta_schedule="scaled_linear", offset=1, clip=False)
    assert SamplerSettings.from_json(json.loads(json.dumps(base.to_json()))) == base
    assert not {"beta_schedule", "spacing", "offset"} & set(settings.to_json())
    with pytest.raises(InputError, match="default of offset, spacing"):
        SamplerSettings.from_json({**settings.to_json(), "spacing": "leading", "offset": 0})


@pytest.mark.parametrize(
    "change",
    [
        {"steps": "50"},
        {"steps": True},
        {"clip": 1},
        {"beta_start": None},
        {"eta": 0.5},
        {"method": 3},
        {"spacing": None},
    ],
)
def test_stored_settings_of_the_wrong_type_are_refused(change: dict[str, Any]) -> None:
    """A row edited by hand gives one line that names the field."""
    with pytest.raises(InputError, match=next(iter(change))):
        SamplerSettings.from_json({**SamplerSettings().to_json(), **change})


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 0},
        {"steps": 1001},
        {"method": "euler"},
        {"beta_start": 0.0},
        {"beta_end": 1.0},
        {"beta_end": 1e-5},
        {"beta_schedule": "cosine"},
        {"spacing": "linspace"},
        {"serve": "median"},
        {"offset": -1},
        {"offset": 1, "spacing": "trailing"},
        {"offset": 1, "steps": 1000},
        {"method": "dpm++", "steps": 1000},
    ],
)
def test_impossible_settings_are_refused(change: dict[str, Any]) -> None:
    """Values outside their range never reach a sampler."""
    with pytest.raises(UsageError):
        SamplerSettings(**change)
