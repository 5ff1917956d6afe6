"""The default kind: older rows keep their meaning, to the last bit where nothing is rounded."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from attribution.denoisers.ensemble import Ensemble
from attribution.denoisers.interface import Prompt
from attribution.denoisers.pixels import PixelUNet
from attribution.ensemble.recipe import EnsembleSettings, TrainingSettings
from attribution.images import ImageSettings
from attribution.sampling.noise import noise_batch
from attribution.sampling.requests import request_of, stored_request
from attribution.sampling.sampler import sample
from attribution.sampling.schedule import SamplerSettings
from attribution.training.dataset import TrainingSet
from attribution.training.draws import draw_works
from attribution.training.loop import TrainingRun
from registry.errors import InputError
from registry.ids import content_id, sha256_of
from registry.storage import tables

RECIPE = EnsembleSettings(
    image=ImageSettings(size=8),
    network=PixelUNet(size=8, widths=(8,), groups=4),
    training=TrainingSettings(steps=60, batch_size=8),
)


def test_a_recipe_of_pixels_keeps_its_id() -> None:
    """The kind is not written, so that older ensembles keep their ids."""
    assert "kind" not in RECIPE.to_json()
    assert content_id("ensemble", {"encoding": "e" * 12, "settings": RECIPE.to_json()}) == "be8b64f4f9c7"
    assert EnsembleSettings.from_json(RECIPE.to_json()) == RECIPE


@pytest.mark.parametrize("label", [None, "disc"])
def test_a_request_without_guidance_is_stored_as_ever(label: str | None) -> None:
    """Sampler and label alone, so the ids of samples stay."""
    sampler = SamplerSettings()
    assert stored_request(sampler, Prompt(label)) == {"sampler": sampler.to_json(), "label": label}
    assert (
        sha256_of(stored_request(sampler, None)) == "76cefc5a275368f9ed953203bf905a5c9df692dd14dca93ddf66d69d7e572a76"
    )


def test_a_request_is_read_back_from_its_row() -> None:
    """With and without guidance; a row with other contents is refused."""

    def row(**values: object) -> tables.Sample:
        return tables.Sample(**{"id": "s", "label": None, **values})  # type: ignore[arg-type]  # columns by name

    for prompt in (Prompt(), Prompt("a"), Prompt("a", 3.0), Prompt("a", 3.0, "b")):
        assert request_of(row(**stored_request(SamplerSettings(), prompt))) == (SamplerSettings(), prompt)
    for wrong in ({"guidance": "much"}, {"strength": 1.0}):
        with pytest.raises(InputError, match=r"sample s|strength"):
            request_of(row(sampler=SamplerSettings().to_json() | wrong))


def test_start_and_draws_are_functions_of_the_seed() -> None:
    """Weights before training, and works, timesteps and noise of a step, bit for bit."""
    start = RECIPE.network.new_member(3).state()
    digest = hashlib.sha256(b"".join(start[name].numpy().tobytes() for name in sorted(start)))
    drawn = draw_works(RECIPE.training, 7, np.arange(20, dtype=np.uint64), (3, 8, 8))
    draws = hashlib.sha256(b"".join(part.numpy().tobytes() for part in drawn[:3]))
    assert digest.hexdigest()[:16] == "c9a9873f4e99fe05"
    assert draws.hexdigest()[:16] == "efbb564d40678016"


def test_training_and_sampling_end_where_they_did() -> None:
    """Twenty steps and a sample: recorded values, up to rounding on another machine."""
    torch.set_num_threads(1)
    pixels = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    works = TrainingSet(pixels, np.zeros(12, np.uint64), np.zeros(12, np.int64), [f"{k:064x}" for k in range(12)])
    run = TrainingRun(RECIPE, works, np.arange(12), 1, "cpu")
    for _ in range(20):
        run.advance()
    weights = torch.cat([value.double().flatten() for value in run.member.state().values()])
    assert float(weights.abs().sum()) == pytest.approx(860.6038, rel=1e-4)
    ensemble = Ensemble([run.member.eval().requires_grad_(False)], RECIPE.network)
    y = sample(ensemble, noise_batch([5], 4, RECIPE.network.shape), SamplerSettings(steps=4))
    assert y[0, :, 2, 3].tolist() == pytest.approx([-0.44552, -1.01646, -0.72337], rel=1e-2)
