"""Noising an image again: the effects that cancel in pairs, and the steps in use."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from attribution.denoisers.ensemble import Ensemble
from attribution.ensemble.recipe import EnsembleSettings
from attribution.evidence.randomisation import mean_predictions
from attribution.sampling.predictions import (
    NOISIEST,
    NoisedView,
    band_of,
    noised_views,
    renoise,
    renoise_together,
    weight_of,
)
from attribution.sampling.requests import default_sampler, usual_looks
from attribution.sampling.schedule import SamplerSettings, steps_of
from registry.errors import UsageError
from tests.support.networks import LinearDenoiser

SETTINGS = SamplerSettings(steps=20)


def test_what_is_linear_in_the_noise_cancels() -> None:
    """For members eps = a x + b the predictions have a closed form without noise."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 4, 4, generator=generator) * 2 - 1
    offsets = torch.randn(3, 1, 4, 4, generator=generator)
    slopes = (0.1, -0.3, 0.7)
    ensemble = Ensemble([LinearDenoiser(slope, offset) for slope, offset in zip(slopes, offsets, strict=True)])
    found = renoise(ensemble, image, SETTINGS, seed=5)
    expected = np.zeros_like(found.clean_sum)
    for view in noised_views(SETTINGS):
        signal, grain = view.step.sqrt_alpha_bar, view.step.sqrt_noise
        for member, (slope, offset) in enumerate(zip(slopes, offsets, strict=True)):
            clean = image * (1 - grain * slope) - offset * grain / signal
            expected[band_of(signal), member] += clean.flatten().numpy()
    np.testing.assert_allclose(found.clean_sum, expected, atol=1e-4)
    again = renoise(ensemble, image, SETTINGS, seed=6)
    np.testing.assert_allclose(found.clean_sum, again.clean_sum, atol=1e-4)
    assert not np.allclose(found.member_loss, again.member_loss)


@pytest.mark.parametrize(("steps", "spacing"), [(20, 1), (20, 2), (21, 2), (20, 3), (3, 2), (2, 5)])
def test_looks_are_pairs_at_evenly_spaced_steps(steps: int, spacing: int) -> None:
    """Down to the last step, never in mere noise, in pairs of opposite noise."""
    settings = SamplerSettings(steps=steps)
    clear = [step for step in steps_of(settings) if step.sqrt_alpha_bar > NOISIEST]
    views = noised_views(settings, spacing)
    image = torch.zeros(1, 4, 4)
    assert [view.step for view in views[::2]] == [view.step for view in views[1::2]] == clear[::-1][::spacing][::-1]
    for one, other in zip(views[::2], views[1::2], strict=True):
        torch.testing.assert_close(one.noise(3, image), -other.noise(3, image))
    noises = {tuple(view.noise(3, image).flatten().tolist()) for view in views}
    assert len(noises) == len(views)


@pytest.mark.parametrize("looks", [4, 6, 10, 40])
def test_few_looks_keep_the_scale_and_are_fewer_near_the_image(looks: int) -> None:
    """A look stands for more weight of the test the less noise it has; of what changes evenly along
    the schedule, few looks give nearly the mean that all pairs give.
    """
    few, usual = SamplerSettings(looks=looks), SamplerSettings()
    views = noised_views(few)
    assert len(views) == looks
    assert [view.sign for view in views] == [1.0, -1.0] * (looks // 2)
    counted = np.array([view.weight * weight_of(view.step) for view in views])
    np.testing.assert_array_equal(counted[::2], counted[1::2])
    assert (np.diff(counted) >= -1e-12).all()
    assert counted[-1] > 2.0 * counted[0]
    assert sum(view.weight for view in views) == pytest.approx(looks)

    def mean(views: list[NoisedView]) -> float:
        weights = np.array([view.weight * weight_of(view.step) for view in views])
        return float(weights @ np.array([view.step.sqrt_noise for view in views]) / weights.sum())

    assert mean(views) == pytest.approx(mean(noised_views(usual)), abs=0.05)


@pytest.mark.parametrize("looks", [4, 8, 40])
def test_the_parts_of_few_looks_are_the_whole_schedule(looks: int) -> None:
    """Steps that all weigh the same and have the same noise: parts of one length, by hand."""
    settings = SamplerSettings(steps=1000, beta_start=1e-6, beta_end=1e-6, looks=looks)
    steps = steps_of(settings)
    views = noised_views(settings)[::2]
    # The noise grows with the root of t, so a part of the noise ends where t^1.5 does.
    bounds = 1000.0 * np.linspace(0.0, 1.0, looks // 2 + 1) ** (2.0 / 3.0)
    middles = (bounds[:-1] + bounds[1:]) / 2.0
    assert len({weight_of(step) for step in steps}) == 1
    np.testing.assert_allclose([view.step.timestep for view in views[::-1]], middles, atol=2.0)
    np.testing.assert_allclose([view.weight for view in views[::-1]], np.diff(bounds) / 1000.0 * looks / 2, atol=0.01)


def test_few_looks_have_the_expectation_of_all_pairs() -> None:
    """The mean predictions of the test, over many seeds, for members that are not linear."""
    ensemble = Ensemble([CubicDenoiser(slope) for slope in (0.05, -0.1, 0.2)])
    image = torch.rand(1, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1

    def mean(settings: SamplerSettings) -> np.ndarray:
        found = [mean_predictions(renoise(ensemble, image, settings, seed)) for seed in range(60)]
        contrast = np.stack(found) - np.stack(found).mean(axis=1, keepdims=True)
        return np.asarray(contrast.mean(axis=0))

    usual, few = mean(SamplerSettings()), mean(SamplerSettings(looks=8))
    assert float((usual * few).sum() / (usual * usual).sum()) == pytest.approx(1.0, abs=0.1)


def test_looks_of_a_batch_are_those_of_each_image_alone() -> None:
    """Whatever stands beside it: an image's place and the others do not matter."""
    images = torch.rand(4, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    ensemble = Ensemble([CubicDenoiser(slope) for slope in (0.05, -0.1, 0.2)])
    settings, seeds = SamplerSettings(steps=20, looks=6), [3, 1, 4, 1]
    together = list(renoise_together(ensemble, images, settings, seeds))
    for image, seed, found in zip(images, seeds, together, strict=True):
        alone = renoise(ensemble, image, settings, seed)
        np.testing.assert_allclose(found.clean_sum, alone.clean_sum, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found.member_loss, alone.member_loss, rtol=1e-5)
        again = next(renoise_together(ensemble, image[None].repeat(4, 1, 1, 1), settings, [seed] * 4))
        np.testing.assert_array_equal(found.clean_sum, again.clean_sum)
    small = list(renoise_together(ensemble, images, settings, seeds, rows_at_once=6))
    np.testing.assert_allclose(small[2].clean_sum, together[2].clean_sum, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("looks", [1, 2, 5, 1_002, -2])
def test_too_few_or_too_many_looks_are_refused(looks: int) -> None:
    """Zero is the default; looks come in pairs, and two would leave no loss."""
    with pytest.raises(UsageError, match="looks"):
        SamplerSettings(looks=looks)


def test_the_default_looks_leave_no_trace_in_what_is_stored() -> None:
    """So earlier ids stay; a number of looks is stored and read back."""
    assert "looks" not in SamplerSettings().to_json()
    few = SamplerSettings(looks=6)
    assert few.to_json()["looks"] == 6
    assert SamplerSettings.from_json(few.to_json()) == few


@pytest.mark.parametrize(("steps", "looks"), [(50, 8), (20, 8), (10, 0), (1, 0)])
def test_samples_of_networks_on_pixels_take_few_looks(steps: int, looks: int) -> None:
    """Unless the sampler has so few steps that pairs at every second step are no more."""
    assert usual_looks(EnsembleSettings(), SamplerSettings(steps=steps)) == looks
    pairs = noised_views(SamplerSettings(steps=steps))
    assert (len(pairs) > EnsembleSettings().network.sampling.looks) == bool(looks)


def test_images_from_outside_are_looked_at_as_before() -> None:
    """Only samples take the few looks: predictions of images are kept under the whole sampler."""
    assert default_sampler(EnsembleSettings()).looks == 0


class CubicDenoiser(LinearDenoiser):
    """Noise that is not linear in what it is shown."""

    def __init__(self, slope: float) -> None:
        super().__init__(slope, torch.zeros(1, 4, 4))

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        return super().forward(x, t, labels) + 0.1 * x**3
