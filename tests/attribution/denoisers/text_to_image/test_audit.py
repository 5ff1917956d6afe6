"""Audits of adapters on a tiny base: three layers, the base alone, and rankers of adapters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from attribution.ablation.exact import counterfactuals
from attribution.ablation.influence import square_influences
from attribution.ablation.jacobian import sample_with_jacobian
from attribution.audit.auditor import Auditor
from attribution.audit.record import AuditSettings
from attribution.denoisers.ensemble import Ensemble
from attribution.denoisers.interface import Prompt
from attribution.denoisers.text_to_image.kind import Adapters
from attribution.ensemble.recipe import TrainingSettings
from attribution.ensemble.serving import ServingEnsemble
from attribution.images import from_pixels, to_pixels
from attribution.metrics.perceptual import PerceptualDistance
from attribution.ranking.encoded_works import EncodedWorks, load_encoded_works
from attribution.ranking.rankers.catalogue import make_rankers
from attribution.ranking.rankers.gradients.adapters import WIDTH, AdapterGradients, Sketch
from attribution.ranking.rankers.interface import Images, dense_scores
from attribution.ranking.recorded_choice import UsedRankers, ranker_inputs
from attribution.sampling.generate import generate_samples
from attribution.sampling.noise import exogenous_noise, noise_batch
from attribution.sampling.requests import request_of, requests_for
from attribution.sampling.sampler import sample
from attribution.sampling.schedule import schedule_of
from attribution.training.dataset import open_training_set
from attribution.training.reference_model import untrained_model
from benchmarks.tiny_base import TinyBase
from registry.errors import MissingPartError
from registry.storage import tables
from registry.storage.database import Registry
from tests.attribution.conftest import CPU, encode_written_works, prepare_ensemble, train_all
from tests.attribution.metrics.test_perceptual import network_of
from tests.support.adapters import moved_member, recipe_on_tiny_base

pytestmark = pytest.mark.skipif(find_spec("transformers") is None, reason="the extra text-to-image is not installed")

N, H = 5, 2
PROMPT = Prompt("disc", guidance=3.0, negative="square")


@dataclass(frozen=True)
class AdapterWorld:
    """A registry with adapters on a tiny base, and samples of them."""

    registry: Registry
    works: Path
    kind: Adapters
    reference: ServingEnsemble
    encoded: EncodedWorks
    samples: tuple[tables.Sample, ...]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> AdapterWorld:
    """Everything through the functions that pixels use; read only."""
    root = tmp_path_factory.mktemp("adapters")
    registry, encoding_id = encode_written_works(root, 8, n=N, h=H)
    base = TinyBase(prediction="v_prediction", autoencoder="tiny", size=16)
    training = TrainingSettings(steps=3, batch_size=4, learning_rate=0.02)
    settings = recipe_on_tiny_base(registry, encoding_id, root / "base", training, base)
    assert isinstance(settings.network, Adapters)
    reference = train_all(registry, prepare_ensemble(registry, encoding_id, settings), N)
    sampler = replace(schedule_of(settings.training), steps=4, clip=False)
    samples = tuple(generate_samples(registry, reference, requests_for([1], PROMPT), sampler, CPU))
    encoded = load_encoded_works(registry, reference, open_training_set(registry.home.training(reference.id)))
    return AdapterWorld(registry, root / "works", settings.network, reference, encoded, samples)


@pytest.mark.slow
def test_an_audit_shows_the_base_alone(world: AdapterWorld) -> None:
    """All three layers in latents, under guidance; an outside image is encoded first."""
    auditor = Auditor.prepare(world.registry, world.reference, AuditSettings(shortlist=2), CPU)
    (audit,) = auditor.audit_samples(world.samples)
    kept = load_file(world.registry.home.audit(audit.id))
    (row,) = world.samples
    sampler, _ = request_of(row)
    noise = exogenous_noise(row.seed, sampler.draws, world.kind.shape)
    condition = world.kind.condition([PROMPT], ())
    alone = sample(world.kind.open_base("cpu"), noise[None], sampler, condition=condition)
    torch.testing.assert_close(kept["base_alone"].int(), to_pixels(alone)[0].int(), rtol=0, atol=1)
    assert not torch.equal(kept["base_alone"], kept["output"])
    assert (audit.landscape or {})["base_alone"]["distance"] > 0
    (outside,) = auditor.audit_images([world.works / "05.png"], "disc")
    assert outside.landscape is None


def test_lpips_goes_through_the_decoder(world: AdapterWorld) -> None:
    """For nearly equal adapters, the first order of LPIPS is that of small ablations."""
    torch.manual_seed(0)
    metric = PerceptualDistance(network_of("squeeze"))
    members = [moved_member(world.kind, 0) for _ in range(4)]
    with torch.no_grad():
        for seed, member in enumerate(members):
            draw = torch.Generator().manual_seed(seed)
            for up in member.up:
                up.add_(1e-4 * torch.randn(up.shape, generator=draw))
    ensemble = Ensemble([member.eval().requires_grad_(False) for member in members], world.kind)
    settings = replace(schedule_of(world.reference.settings.training), method="ddim", steps=3, clip=False)
    noise = noise_batch([4], settings.draws, world.kind.shape)
    condition = world.kind.condition([PROMPT], ())
    codes = np.array([[index in chosen for index in range(4)] for chosen in combinations(range(4), 2)])
    run = sample_with_jacobian(ensemble, noise, settings, condition=condition)
    shown = counterfactuals(ensemble, noise[0], settings, codes, condition=condition)
    exact = metric.distances(run.y[0].double(), shown.double()).numpy()
    estimated = square_influences(metric.gram(run.y[0].double(), run.jacobian[0].double()), codes)
    assert estimated == pytest.approx(exact, rel=0.1)


def test_rankers_of_adapters(world: AdapterWorld) -> None:
    """Latents, captions by the base's encoder, and gradients of A and B alone, each as it says."""
    inputs = ranker_inputs(world.registry, world.reference)
    latent, captions = make_rankers(["latent-kernel", "captions"], inputs)
    images = Images(world.encoded.works[2:4], world.encoded.shape, texts=("disc", "square"))
    source = world.encoded.source
    assert dense_scores(latent.prepare(images, source), 8)[0].argmax(axis=1).tolist() == [2, 3]
    texts = np.array(source.texts.of(slice(0, 8))) if source.texts else np.array([])
    scores = dense_scores(captions.prepare(images, source), 8)
    for image, text in enumerate(("disc", "square")):
        assert (np.isclose(scores[0, image], 1.0, atol=1e-2) == (texts == text)).all()
    used = UsedRankers((latent, captions), None)
    auditor = Auditor.prepare(world.registry, world.reference, AuditSettings(shortlist=2, jacobian=False), CPU, used)
    (audit,) = auditor.audit_samples(world.samples)
    assert audit.attributable in (True, False)


def test_gradients_of_adapters_are_those_of_autograd(world: AdapterWorld) -> None:
    """Every A and B, no weight of the base, under each work's caption; each weight is added to one
    number under its sign.
    """
    settings = world.reference.settings
    member = moved_member(world.kind, 1).requires_grad_(True)
    model = replace(untrained_model(settings), denoiser=member)
    ranker = AdapterGradients("gradients", model)
    source = world.encoded.source
    assert source.texts is not None
    texts = tuple(source.texts.of(slice(2, 4)))
    images = Images(world.encoded.works[2:4], world.encoded.shape, texts=texts)
    assert dense_scores(ranker.prepare(images, source), 8)[0].argmax(axis=1).tolist() == [2, 3]
    sketch = Sketch(model, world.kind.shape)
    found = sketch(images.pictures[:1], ["disc"])[0]
    views = sketch.views
    latent = world.kind.encode(
        from_pixels(np.asarray(open_training_set(world.registry.home.training(world.reference.id)).pixels[2:3]))
    )
    member.zero_grad(set_to_none=True)
    eps = member(views.of(latent), views.timesteps, world.kind.condition([Prompt("disc")] * len(views), ()))
    (((eps - views.noise) ** 2).mean(dim=(1, 2, 3)) * views.weight).mean().backward()
    gradients = [value.grad for value in member.parameters() if value.grad is not None]
    assert len(gradients) == 2 * len(world.kind.layout())
    signed = torch.cat([value.flatten() for value in gradients]) * sketch.sign
    expected = np.bincount(sketch.place.numpy(), signed.double().numpy(), minlength=WIDTH)
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-4 * np.abs(expected).max())


def test_default_rankers_of_adapters(world: AdapterWorld) -> None:
    """By captions, and by gradients of the base: an audit without names records them, and an image
    from outside without a prompt is ranked by the others.
    """
    inputs = ranker_inputs(world.registry, world.reference)
    assert inputs.default == ("pixel-kernel", "latent-kernel", "responsibilities", "captions", "base-gradients")
    auditor = Auditor.prepare(world.registry, world.reference, AuditSettings(shortlist=4, jacobian=False), CPU)
    (audit,) = auditor.audit_samples(world.samples)
    assert audit.ranker["chosen"] == "by default"
    assert [one["name"] for one in audit.ranker["rankers"]] == list(inputs.default)
    assert audit.ranker["name"] == "base-gradients"
    others = [name for name in inputs.default if name != "captions"]
    assert audit.ranker["shortlist"] == {"by_prompt": ["captions"], "others": others}
    kept = set(load_file(world.registry.home.audit(audit.id)))
    assert {"ranked_units captions", "ranked_units base-gradients at 0.1"} <= kept
    (outside,) = auditor.audit_images([world.works / "05.png"], None)
    assert "ranked_units captions" not in load_file(world.registry.home.audit(outside.id))
    assert outside.ranker["shortlist"] == {"by_prompt": [], "others": others}
    with pytest.raises(MissingPartError, match="adapters on a base"):
        make_rankers(["base-gradients"], replace(inputs, untrained=None))
