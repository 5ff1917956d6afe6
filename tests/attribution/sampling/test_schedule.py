"""The schedule and the samplers' coefficients."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from attribution.denoisers.schedule import alpha_bars
from attribution.sampling.schedule import Method, SamplerSettings, steps_of
from registry.errors import InputError, UsageError


@pytest.mark.parametrize("method", ["ddpm", "ddim"])
@pytest.mark.parametrize("steps", [1, 3, 50, 1000])
def test_steps_keep_the_variance_of_the_forward_process(method: Method, steps: int) -> None:
    """Given the true noise, x_next has mean sqrt(alpha_bar) x_0 and variance 1 - alpha_bar."""
    plan = steps_of(SamplerSettings(method=method, steps=steps))
    signal = [step.alpha_bar for step in plan[1:]] + [1.0]
    for step, after in zip(plan, signal, strict=True):
        image = step.from_clean + step.from_current * step.sqrt_alpha_bar
        noise = step.from_current * step.sqrt_noise + step.from_eps
        assert image == pytest.approx(math.sqrt(after), abs=1e-12)
        assert noise**2 + step.sigma**2 == pytest.approx(1.0 - after, abs=1e-12)


def test_the_last_step_gives_the_predicted_clean_image_unclipped() -> None:
    """So that y has a derivative everywhere; all steps before it clip."""
    for method in ("ddpm", "ddim"):
        plan = steps_of(SamplerSettings(method=method))
        assert (plan[-1].timestep, plan[-1].clip, plan[-1].sigma) == (0, False, 0.0)
        assert (plan[-1].from_clean, plan[-1].from_current, plan[-1].from_eps) == pytest.approx(
            (1.0, 0.0, 0.0), abs=1e-12
        )
        assert all(step.clip for step in plan[:-1])
        assert not any(step.clip for step in steps_of(SamplerSettings(method=method, clip=False)))


def test_noise_images_match_the_stochastic_steps() -> None:
    """A sample uses its start and one image per step that adds noise, no more."""
    for settings in (SamplerSettings(steps=7), SamplerSettings("ddim", steps=7), SamplerSettings(steps=1)):
        assert settings.draws == 1 + sum(step.sigma > 0 for step in steps_of(settings))


def test_alpha_bars_fall_from_nearly_one_to_nearly_zero() -> None:
    """The linear schedule of DDPM: the last image is noise to within 1 %."""
    signal = alpha_bars(SamplerSettings())
    assert signal[0] == pytest.approx(1 - 1e-4)
    assert all(signal[1:] < signal[:-1])
    assert math.sqrt(signal[-1]) < 0.01


def test_settings_survive_json() -> None:
    """Stored settings are enough to sample again, even if JSON has lost the point of a float."""
    settings = SamplerSettings("ddim", steps=20, beta_start=0.002, clip=False)
    assert SamplerSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings
    assert SamplerSettings.from_json({**settings.to_json(), "steps": 10}).steps == 10


@pytest.mark.parametrize(
    "change", [{"steps": "50"}, {"steps": True}, {"clip": 1}, {"beta_start": None}, {"eta": 0.5}, {"method": 3}]
)
def test_stored_settings_of_the_wrong_type_are_refused(change: dict[str, Any]) -> None:
    """A row edited by hand gives one line that names the field."""
    with pytest.raises(InputError, match=next(iter(change))):
        SamplerSettings.from_json({**SamplerSettings().to_json(), **change})


@pytest.mark.parametrize(
    "change",
    [{"steps": 0}, {"steps": 1001}, {"method": "euler"}, {"beta_start": 0.0}, {"beta_end": 1.0}, {"beta_end": 1e-5}],
)
def test_impossible_settings_are_refused(change: dict[str, Any]) -> None:
    """Values outside their range never reach a sampler."""
    with pytest.raises(UsageError):
        SamplerSettings(**change)
