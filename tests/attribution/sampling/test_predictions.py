"""Noising an image again: the effects that cancel in pairs, and the steps in use."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from attribution.denoisers.ensemble import Ensemble
from attribution.sampling.predictions import NOISIEST, band_of, noised_views, renoise
from attribution.sampling.schedule import SamplerSettings, steps_of
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
