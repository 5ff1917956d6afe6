"""A second kind of denoiser goes through the code of pixels, from trainer to reference model.

The kind is :class:`tests.support.latents.ToyLatents`: a linear encoder, a frozen base that the
members share, an adapter per member, text with guidance, v-prediction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from attribution.ablation.exact import counterfactuals
from attribution.ablation.jacobian import sample_with_jacobian
from attribution.ablation.joint import ablate_sample
from attribution.audit.auditor import NO_LPIPS, Auditor
from attribution.audit.record import AuditSettings
from attribution.audit.worker import load_jacobian
from attribution.denoisers.ensemble import Ensemble
from attribution.denoisers.interface import Prompt
from attribution.denoisers.schedule import alpha_bars
from attribution.ensemble.recipe import KINDS, EnsembleSettings, TrainingSettings
from attribution.ensemble.serving import ServingEnsemble, open_ensemble
from attribution.evidence.randomisation import assess_shortlist
from attribution.images import ImageSettings, from_pixels, to_pixels
from attribution.metrics.euclidean import euclidean
from attribution.ranking.encoded_works import load_encoded_works
from attribution.ranking.rankers.catalogue import make_ranker, make_rankers
from attribution.ranking.rankers.gradients.adapters import Sketch
from attribution.ranking.rankers.interface import Images, Works, dense_scores
from attribution.ranking.rankers.responsibilities import Responsibilities
from attribution.ranking.recorded_choice import UsedRankers, ranker_inputs
from attribution.ranking.shortlist import closest_works
from attribution.sampling.generate import generate_samples
from attribution.sampling.noise import exogenous_noise, noise_batch
from attribution.sampling.predictions import load_predictions, load_sample, noised_views, renoise
from attribution.sampling.replay import verify_named
from attribution.sampling.requests import Request, default_sampler, request_of, requests_for
from attribution.sampling.sampler import predicted_clean, sample
from attribution.sampling.schedule import SamplerSettings
from attribution.training.dataset import open_training_set
from attribution.training.lifecycle import labels_of
from attribution.training.loop import TrainingRun
from attribution.training.reference_model import open_reference_model, train_reference_model
from registry.encodings.store import load_units
from registry.errors import InputError, UsageError
from registry.members.manifest import read_member_folder
from registry.outputs.queries import candidates_of
from registry.storage import tables
from registry.storage.database import Registry
from tests.attribution.conftest import CPU, encode_written_works, prepare_ensemble, train_all
from tests.support.latents import BASE_LOADED, TOKEN, TextCondition, ToyLatents, base_sha256, embedded, loaded_base

N, H = 6, 3
SAMPLER = SamplerSettings(steps=6, clip=False)
PROMPT = Prompt("disc", guidance=2.5, negative="square")
KIND = ToyLatents(base=base_sha256(5))


@dataclass(frozen=True)
class LatentWorld:
    """A registry with a trained ensemble of toy latents and samples of it."""

    registry: Registry
    works: Path
    reference: ServingEnsemble
    samples: tuple[tables.Sample, ...]

    def ensemble(self) -> Ensemble:
        """The members in float64."""
        found = open_ensemble(self.registry.home, self.reference)
        for member in found.members:
            assert isinstance(member, torch.nn.Module)
            member.double()
        return found

    def condition(self, prompt: Prompt, rows: int = 1) -> TextCondition:
        found = self.reference.settings.condition(prompt, rows)
        assert isinstance(found, TextCondition)
        return found


@pytest.fixture(scope="module", autouse=True)
def _known_kind() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(KINDS, ToyLatents.name, ToyLatents)
        yield


@pytest.fixture(scope="module")
def latent_world(tmp_path_factory: pytest.TempPathFactory) -> LatentWorld:
    """Everything through the functions that pixels use; read only."""
    root = tmp_path_factory.mktemp("latents")
    registry, encoding_id = encode_written_works(root, n=N, h=H)
    settings = EnsembleSettings(
        image=ImageSettings(size=8),
        network=KIND,
        training=TrainingSettings(steps=60, batch_size=8, learning_rate=0.02),
        label_column="kind",
        labels_sha256=labels_of(registry, encoding_id, "kind").sha256,
    )
    reference = train_all(registry, prepare_ensemble(registry, encoding_id, settings), N)
    samples = sorted(
        generate_samples(registry, reference, requests_for(range(4), PROMPT), SAMPLER, CPU), key=lambda row: row.seed
    )
    return LatentWorld(registry, root / "works", reference, tuple(samples))


def test_the_recipe_names_its_kind(latent_world: LatentWorld) -> None:
    """The kind is read back from JSON; unknown kinds and contradictions are refused."""
    settings = latent_world.reference.settings
    document = settings.to_json()
    assert document["kind"] == "toy latents"
    assert EnsembleSettings.from_json(document) == settings
    with pytest.raises(InputError, match="'toy sounds', expected one of adapters, pixels"):
        EnsembleSettings.from_json({**document, "kind": "toy sounds"})
    with pytest.raises(InputError, match="fields"):
        EnsembleSettings.from_json({**EnsembleSettings().to_json(), "kind": "pixels"})
    with pytest.raises(UsageError, match="another noise schedule"):
        replace(settings, training=replace(settings.training, beta_end=0.01))


def test_a_member_is_its_adapter(latent_world: LatentWorld) -> None:
    """The frozen base is in no file, loaded once, in every manifest; training moved adapters."""
    states = []
    for key in latent_world.reference.member_ids:
        found = read_member_folder(latent_world.registry.home.member(key))
        assert isinstance(found.manifest.settings["network"], dict)
        assert found.manifest.settings["network"]["base"] == KIND.base
        states.append(load_file(found.weights))
        assert set(states[-1]) == {"down.weight", "up.weight"}
    start = KIND.new_member(0).state()
    assert not any(torch.equal(state["up.weight"], start["up.weight"]) for state in states)
    assert not torch.equal(states[0]["up.weight"], states[1]["up.weight"])
    assert BASE_LOADED == [5]


def test_works_are_encoded_once(latent_world: LatentWorld) -> None:
    """The latents on disk are those of the pixels beside them; labels are kept as text."""
    kept = open_training_set(latent_world.registry.home.training(latent_world.reference.id))
    assert kept.label_names == ("disc", "square")
    assert kept.encoded is not None
    torch.testing.assert_close(torch.from_numpy(kept.encoded[np.arange(18)]), KIND.encode(from_pixels(kept.pixels[:])))
    # The frame is orthonormal: encoding a decoded latent changes nothing.
    x = torch.from_numpy(kept.encoded[np.arange(18)])
    torch.testing.assert_close(KIND.encode(KIND.decode(x)), x, rtol=1e-4, atol=1e-5)


def test_training_resumes_to_the_same_weights(latent_world: LatentWorld, tmp_path: Path) -> None:
    """A checkpoint holds the adapter alone, and a resumed run ends bit for bit alike."""
    works = open_training_set(latent_world.registry.home.training(latent_world.reference.id))

    def begun() -> TrainingRun:
        return TrainingRun(latent_world.reference.settings, works, np.arange(9), 1, "cpu")

    whole, broken, resumed = begun(), begun(), begun()
    for _ in range(12):
        whole.advance()
    for _ in range(5):
        broken.advance()
    broken.save(tmp_path / "checkpoint")
    resumed.resume(tmp_path / "checkpoint")
    assert resumed.step == 5
    for _ in range(7):
        resumed.advance()
    assert all(torch.equal(value, resumed.member.state()[name]) for name, value in whole.member.state().items())


def test_a_quarter_of_the_conditions_is_dropped(latent_world: LatentWorld) -> None:
    """A work's text is dropped at the same steps by every member that saw it."""
    works = open_training_set(latent_world.registry.home.training(latent_world.reference.id))
    run = TrainingRun(latent_world.reference.settings, works, np.arange(18), None, "cpu")
    empty: list[bool] = []

    def predict(x: Tensor, t: Tensor, condition: TextCondition) -> Tensor:  # noqa: ARG001
        texts = {tuple(embedded(name).tolist()) for name in works.label_names}
        for text in condition.text:
            empty.append(not bool(text.any()))
            assert empty[-1] or tuple(text.tolist()) in texts
        return next(run.member.parameters()).sum() + x

    run.member.forward = predict  # type: ignore[method-assign, assignment]  # watched, not used
    for _ in range(60):
        run.advance()
    assert np.mean(empty) == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / 480))


def test_members_together_are_the_members_alone(latent_world: LatentWorld) -> None:
    """Sharing the base changes no row's prediction, under any guidance; weight 0 silences."""
    ensemble = latent_world.ensemble()
    x = noise_batch([1, 2, 3], 1, KIND.shape)[:, 0].double()
    t = torch.tensor([3, 400, 900])
    one, other = latent_world.condition(PROMPT), latent_world.condition(Prompt("square"))
    mixed = TextCondition(
        *(torch.cat(parts) for parts in zip(*(vars(c).values() for c in (one, other, one)), strict=True))
    )
    weights = torch.tensor([[0.5] * N, [1.0, *[0.0] * (N - 1)], [0.5] * N])
    together, silenced = ensemble.predict(x, t, mixed), ensemble.predict(x, t, mixed, weights)
    for index, member in enumerate(ensemble.members):
        for row in range(3):
            rows = torch.tensor([row])
            alone = member(x[rows], t[rows], mixed[rows])[0]
            torch.testing.assert_close(together[index, row], alone)
            torch.testing.assert_close(silenced[index, row], alone * float(weights[row, index] != 0))


def test_guidance_and_v_prediction_are_closed_forms(latent_world: LatentWorld) -> None:
    """Eps = eps_negative + g (eps_text - eps_negative); eps = sqrt(a) v + sqrt(1 - a) x."""
    ensemble = latent_world.ensemble()
    x = noise_batch([4], 1, KIND.shape)[:, 0].double()
    text, negative = (ensemble.predict(x, 300, latent_world.condition(Prompt(name))) for name in ("disc", "square"))
    guided = ensemble.predict(x, 300, latent_world.condition(PROMPT))
    torch.testing.assert_close(guided, negative + 2.5 * (text - negative))
    torch.testing.assert_close(ensemble.predict(x, 300), ensemble.predict(x, 300, latent_world.condition(Prompt())))
    weights = load_file(
        read_member_folder(latent_world.registry.home.member(latent_world.reference.member_ids[2])).weights
    )
    member = KIND.new_member(0)
    base = member.base[0]
    hidden = torch.tanh(
        x.flatten(1) @ base.latent.double().T
        + embedded("disc").double() @ base.text.double().T
        + 0.3 * base.time.double()
    )
    v = hidden @ (base.out.double() + weights["up.weight"].double() @ weights["down.weight"].double()).T
    signal = float(alpha_bars(KIND)[300])
    torch.testing.assert_close(text[2].flatten(1), signal**0.5 * v + (1 - signal) ** 0.5 * x.flatten(1))


def test_samples_are_decoded_and_verify(latent_world: LatentWorld) -> None:
    """Image size, prompt in the row, equal pixels in replay; outputs in the decoder's range."""
    for row in latent_world.samples:
        assert request_of(row) == (SAMPLER, PROMPT)
        with Image.open(latent_world.registry.home.sample_image(row.id)) as image:
            assert image.size == (8, 8)
        output = torch.from_numpy(load_predictions(latent_world.registry.home.sample_tensors(row.id))[1]["output"])[
            None
        ]
        torch.testing.assert_close(KIND.decode(KIND.encode(output)), output, rtol=1e-4, atol=1e-4)
    assert {found.condition for found in verify_named(latent_world.registry, None, CPU)} == {"identical"}
    plain = list(
        generate_samples(latent_world.registry, latent_world.reference, requests_for([0], Prompt("disc")), SAMPLER, CPU)
    )
    assert plain[0].id != latent_world.samples[0].id
    assert plain[0].image_sha256 != latent_world.samples[0].image_sha256
    assert not default_sampler(latent_world.reference.settings).clip
    with pytest.raises(UsageError, match="clip"):
        list(
            generate_samples(
                latent_world.registry, latent_world.reference, requests_for([9], PROMPT), SamplerSettings(steps=6), CPU
            )
        )


def test_prompts_share_batches_and_verify_alone(latent_world: LatentWorld) -> None:
    """Several prompts in one call: each sample equals the one that is asked for alone."""
    sampler = SamplerSettings("dpm++", steps=6, clip=False, offset=1)
    prompts = [Prompt("disc", 2.5), Prompt("a lamp", 2.5, "square"), Prompt("disc")]
    asked = [Request(seed, prompt) for prompt in prompts for seed in (3, 4)]
    made = list(generate_samples(latent_world.registry, latent_world.reference, asked, sampler, CPU))
    assert {(row.seed, request_of(row)[1]) for row in made} == {(each.seed, each.prompt) for each in asked}
    assert len({row.image_sha256 for row in made}) == len(asked)
    for row in made[::2]:
        condition = latent_world.reference.settings.condition(request_of(row)[1])
        noise = exogenous_noise(row.seed, 1, KIND.shape)[None]
        ensemble = open_ensemble(latent_world.registry.home, latent_world.reference)
        kept = load_predictions(latent_world.registry.home.sample_tensors(row.id))[1]["output"]
        alone = sample(ensemble, noise, sampler, condition=condition)[0]
        torch.testing.assert_close(alone, torch.from_numpy(kept), rtol=1e-4, atol=1e-5)
        assert [found.condition for found in verify_named(latent_world.registry, [row.id], CPU)] == ["identical"]


def test_merged_members_serve_as_one(latent_world: LatentWorld) -> None:
    """The toy adds linearly to its base's last layer, so its merged samples and ablations are those
    of the mean; they are samples of their own, which verify, and are audited without a Jacobian.
    """
    sampler, registry = replace(SAMPLER, serve="merged"), latent_world.registry
    [row] = generate_samples(registry, latent_world.reference, requests_for([0], PROMPT), sampler, CPU)
    assert row.sampler["serve"] == "merged"
    assert row.id not in {each.id for each in latent_world.samples}
    mean = load_predictions(registry.home.sample_tensors(latent_world.samples[0].id))[1]["output"]
    merged = load_predictions(registry.home.sample_tensors(row.id))[1]["output"]
    torch.testing.assert_close(torch.from_numpy(merged), torch.from_numpy(mean), rtol=1e-4, atol=1e-4)
    assert [found.condition for found in verify_named(registry, [row.id], CPU)] == ["identical"]
    ensemble, saw = latent_world.ensemble(), np.array([[True, False] * 3, [False, True] * 3, [True, False] * 3])
    noise = exogenous_noise(7, 1, KIND.shape).double().expand(SAMPLER.draws, -1, -1, -1)
    condition = latent_world.condition(PROMPT)
    both = [counterfactuals(ensemble, noise, each, saw, condition=condition) for each in (SAMPLER, sampler)]
    torch.testing.assert_close(both[0], both[1])
    with pytest.raises(UsageError, match="no Jacobian"):
        sample_with_jacobian(ensemble, noise[None], sampler, condition=condition)
    [audit] = Auditor.prepare(registry, latent_world.reference, AuditSettings(shortlist=4), CPU).audit_samples([row])
    assert audit.landscape is not None
    assert "merged" in audit.landscape["estimate"]["not_measured"]
    with registry.session() as session:
        assert all(one.influence_exact is not None for one, _ in candidates_of(session, audit))
    with pytest.raises(UsageError, match="share no base"):
        Ensemble(ensemble.members, KIND).merged(ensemble.uniform_weights())


def test_the_jacobian_is_that_of_the_decoded_guided_sample(latent_world: LatentWorld) -> None:
    """Against central differences over the weights, in image space."""
    ensemble = latent_world.ensemble()
    noise = noise_batch([1, 2], SAMPLER.draws, KIND.shape).double()
    condition = latent_world.condition(PROMPT, 2)
    found = sample_with_jacobian(ensemble, noise, SAMPLER, condition=condition)
    assert found.jacobian.shape == (2, N, 3, 8, 8)
    torch.testing.assert_close(found.y, sample(ensemble, noise, SAMPLER, condition=condition))
    h = 1e-5
    for index in range(N):
        direction = torch.zeros(N, dtype=torch.float64)
        direction[index] = h
        ends = [
            sample(ensemble, noise, SAMPLER, weights=ensemble.uniform_weights() + s * direction, condition=condition)
            for s in (1, -1)
        ]
        torch.testing.assert_close(found.jacobian[:, index], (ends[0] - ends[1]) / (2 * h), rtol=1e-6, atol=1e-7)


def test_an_ablation_is_the_ensemble_of_the_survivors(latent_world: LatentWorld) -> None:
    """Leaving out a unit's members is sampling from the others, under the same prompt."""
    ensemble, condition = latent_world.ensemble(), latent_world.condition(PROMPT)
    saw = np.array([[True, False, True, False, False, True]])
    noise = exogenous_noise(7, SAMPLER.draws, KIND.shape).double()
    found = counterfactuals(ensemble, noise, SAMPLER, saw, condition=condition)
    survivors = replace(ensemble, members=[m for m, gone in zip(ensemble.members, saw[0], strict=True) if not gone])
    torch.testing.assert_close(found, sample(survivors, noise[None], SAMPLER, condition=condition))
    assert counterfactuals(ensemble, noise, SAMPLER, saw[:0], condition=condition).shape == (0, 3, 8, 8)
    name = "Work 3"
    joint = ablate_sample(latent_world.registry, latent_world.samples[0].id, [name], CPU, NO_LPIPS)
    assert joint.influence > 0


def test_renoised_predictions_are_latents(latent_world: LatentWorld) -> None:
    """The kept sums are those of the members' clean latents, step by step."""
    ensemble, condition = latent_world.ensemble(), latent_world.condition(PROMPT)
    image = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
    found = renoise(ensemble, image, SAMPLER, 5, condition)
    expected = torch.zeros(N, *KIND.shape, dtype=torch.float64)
    x0 = KIND.encode(image[None])[0]
    for view in noised_views(SAMPLER):
        x_t = view.noised(x0, view.noise(5, x0))[None]
        outputs = ensemble.predict(x_t, view.step.timestep, condition)
        expected += predicted_clean(view.step, x_t, outputs)[:, 0]
    torch.testing.assert_close(
        torch.from_numpy(found.clean_sum.sum(axis=0)).double(), expected.flatten(1), rtol=1e-4, atol=1e-4
    )


def test_works_are_tested_in_latents(latent_world: LatentWorld) -> None:
    """Targets are the works' latents; with an orthonormal decoder the test is that of images."""
    encoded = load_encoded_works(
        latent_world.registry,
        latent_world.reference,
        open_training_set(latent_world.registry.home.training(latent_world.reference.id)),
    )
    rows = np.array([4, 0, 11])
    targets = encoded.targets(rows)
    pictures = 2.0 * encoded.pictures(rows).astype(np.float64) - 1.0
    latents = KIND.encode(torch.from_numpy(pictures).reshape(-1, *encoded.shape)).flatten(1).numpy()
    np.testing.assert_allclose(targets, latents, atol=1e-5)
    image = encoded.pictures(np.array([4]))[0]
    works, means = closest_works(encoded, image, np.array([4, 0, 11]), 1)
    np.testing.assert_allclose(means, targets, atol=1e-6)
    assert [listed[0][0] for listed in works] == [4, 0, 11]
    predictions, output = load_sample(latent_world.registry.home.sample_tensors(latent_world.samples[0].id))
    assert predictions.clean_sum.shape[2] == encoded.source.latents.width if encoded.source.latents else 0
    units = np.array([4, 0, 11])
    args = encoded.codes[units], latent_world_decoys(latent_world), encoded.n
    found = assess_shortlist(predictions, targets, *args)
    decoded = replace(
        predictions,
        clean_sum=KIND.decode(torch.from_numpy(predictions.clean_sum).flatten(0, 1).reshape(-1, *KIND.shape))
        .reshape(*predictions.clean_sum.shape[:2], -1)
        .numpy(),
    )
    in_image_space = KIND.decode(torch.from_numpy(targets).reshape(-1, *KIND.shape)).flatten(1).numpy()
    as_images = assess_shortlist(decoded, in_image_space, *args)
    np.testing.assert_allclose(found.statistic, as_images.statistic, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(found.p_value, as_images.p_value)
    assert output.shape == (3, 8, 8)


def latent_world_decoys(world: LatentWorld) -> np.ndarray:
    """All codes that no unit has."""
    assignment = load_units(world.registry, world.reference.encoding.id).assignment
    return assignment.decoys(np.array([0]), 1000, 0, None).words


def test_an_audit_has_all_three_layers(latent_world: LatentWorld) -> None:
    """Exact influences are those of the survivors' images; the Jacobian has shapes of images."""
    settings = AuditSettings(shortlist=4, exact=True)
    auditor = Auditor.prepare(latent_world.registry, latent_world.reference, settings, CPU)
    reported: list[tuple[int, int]] = []
    audits = list(auditor.audit_samples(latent_world.samples[:2], lambda done, total: reported.append((done, total))))
    assert len(audits) == 2
    # Guidance doubles evaluations: 6 steps of one Jacobian, 4 candidates and 18 units a sample.
    assert sum(done for done, _ in reported) == reported[-1][1] == 2 * (6 + 2 * (4 + 18))
    ensemble, encoded = open_ensemble(latent_world.registry.home, latent_world.reference), auditor.context.encoded
    for audit, row in zip(audits, latent_world.samples, strict=False):
        with latent_world.registry.session() as session:
            rows = [candidate for candidate, _ in candidates_of(session, audit)]
        assert len(rows) == 4
        assert all(0 < one.p_value <= 1 for one in rows)
        noise = exogenous_noise(row.seed, SAMPLER.draws, KIND.shape)
        units = encoded.membership[[one.unit_number for one in rows]]
        shown = counterfactuals(ensemble, noise, SAMPLER, units, condition=latent_world.condition(PROMPT))
        output = sample(ensemble, noise[None], SAMPLER, condition=latent_world.condition(PROMPT))[0]
        assert [one.influence_exact for one in rows] == pytest.approx(
            euclidean(output, shown).tolist(), rel=1e-3, abs=1e-5
        )
        assert load_jacobian(latent_world.registry.home.jacobian(row.id)).shape == (N, 3, 8, 8)
        assert all(one.influence_estimate is not None for one in rows)
        _holds_the_base_alone(latent_world, audit, row.seed, output)
    outside = next(iter(auditor.audit_images([latent_world.works / "05.png"], "disc")))
    assert outside.subject_kind == "image"
    assert outside.settings["label"] == "disc"


def _holds_the_base_alone(world: LatentWorld, audit: tables.Audit, seed: int, output: Tensor) -> None:
    """The audit keeps the sample of the bare base under the same noise and prompt."""
    noise = exogenous_noise(seed, SAMPLER.draws, KIND.shape)
    base = KIND.new_member(0)
    base.up.weight.data.zero_()
    alone = sample(Ensemble([base], KIND), noise[None], SAMPLER, condition=world.condition(PROMPT))
    kept = load_file(world.registry.home.audit(audit.id))["base_alone"]
    torch.testing.assert_close(kept, to_pixels(alone)[0], rtol=0, atol=1)
    facts = (audit.landscape or {})["base_alone"]
    assert facts["distance"] == pytest.approx(float(euclidean(output, alone[0])), rel=1e-3)
    assert facts["lpips"] == NO_LPIPS.to_json()


def test_the_base_alone_is_no_member() -> None:
    """It has no trained part: any members' states leave its predictions as they are."""
    base = KIND.open_base("cpu")
    assert base.n == 1
    x = noise_batch([1, 2], 1, KIND.shape)[:, 0]
    t = torch.tensor([5, 700])
    features = loaded_base(KIND.base_seed, 32).features(x, t, torch.zeros(2, TOKEN))
    v = features @ loaded_base(KIND.base_seed, 32).out.T
    signal = torch.from_numpy(alpha_bars(KIND))[t].float()[:, None]
    expected = signal.sqrt() * v + (1 - signal).sqrt() * x.flatten(1)
    torch.testing.assert_close(base.predict(x, t)[0].flatten(1), expected)


def test_rankers_work_in_latents(latent_world: LatentWorld) -> None:
    """The latent kernel and the ideal denoiser compare latents; the default ranks with both."""
    encoded = load_encoded_works(
        latent_world.registry,
        latent_world.reference,
        open_training_set(latent_world.registry.home.training(latent_world.reference.id)),
    )
    inputs = ranker_inputs(latent_world.registry, latent_world.reference)
    pictures = ("pixel-kernel", "latent-kernel", "responsibilities")
    assert inputs.default == (*pictures, "captions", "base-gradients")
    assert replace(inputs, encode_texts=None, untrained=None).default == pictures
    assert replace(inputs, has_reference=lambda: True).default == (*inputs.default, "gradients")
    kernel, ideal = make_rankers(["latent-kernel", "responsibilities"], inputs)
    latents = KIND.encode(torch.from_numpy(encoded.works.reshape(-1, *encoded.shape)) * 2.0 - 1.0).flatten(1).numpy()
    assert encoded.source.latents is not None
    np.testing.assert_allclose(encoded.source.latents.take(slice(0, 18)), latents, atol=1e-5)
    images = Images(np.clip(encoded.works[3:6] * 0.98, 0, 1), encoded.shape)
    own = KIND.encode(torch.from_numpy(images.pictures) * 2.0 - 1.0).flatten(1).numpy()
    squared = ((own[:, None] - latents[None]) ** 2).mean(axis=2)
    scores = dense_scores(kernel.prepare(images, encoded.source), 18)
    for scale, tau in enumerate(kernel.scales):
        expected = np.exp(-(squared - squared.min(axis=1, keepdims=True)) / tau)
        np.testing.assert_allclose(scores[scale], expected, rtol=1e-3, atol=1e-6)
    # Responsibilities of latents are those of "pixels" that are the latents halved and shifted.
    halved = Works.flat((latents + 1.0) / 2.0)
    in_pixels = Responsibilities(inputs.schedule).prepare(Images.flat((own + 1.0) / 2.0), halved)
    found = ideal.prepare(images, encoded.source)
    np.testing.assert_allclose(
        np.exp(found.log_scores(slice(0, 18))), np.exp(in_pixels.log_scores(slice(0, 18))), rtol=2e-3, atol=1e-6
    )


def test_works_are_ranked_by_their_captions(latent_world: LatentWorld) -> None:
    """The prompt of a sample against the texts of works; the choice is kept with the audit."""
    encoded = load_encoded_works(
        latent_world.registry,
        latent_world.reference,
        open_training_set(latent_world.registry.home.training(latent_world.reference.id)),
    )
    assert encoded.source.texts is not None
    inputs = ranker_inputs(latent_world.registry, latent_world.reference)
    images = Images(encoded.works[:2], encoded.shape, texts=("disc", None))
    scores = dense_scores(make_ranker("captions", inputs).prepare(images, encoded.source), 18)
    texts = np.array(encoded.source.texts.of(slice(0, 18)))
    assert set(texts) == {"disc", "square"}
    assert (np.isclose(scores[:, 0], 1.0, atol=1e-2) == (texts == "disc")).all()
    used = UsedRankers(tuple(make_rankers(["captions", "patches"], inputs)), None)
    auditor = Auditor.prepare(latent_world.registry, latent_world.reference, AuditSettings(jacobian=False), CPU, used)
    (audit,) = auditor.audit_samples(latent_world.samples[:1])
    assert [one["name"] for one in audit.ranker["rankers"]] == ["captions", "patches"]
    only = UsedRankers(tuple(make_rankers(["captions"], inputs)), None)
    silent = Auditor.prepare(latent_world.registry, latent_world.reference, AuditSettings(), CPU, only)
    with pytest.raises(UsageError, match="none of the rankers"):
        list(silent.audit_images([latent_world.works / "05.png"], None))


@pytest.mark.slow
def test_the_reference_model_is_differentiated_in_latents(latent_world: LatentWorld) -> None:
    """Trained on all works; the ranker gradients encodes pictures, and finds a copied work."""
    train_reference_model(latent_world.registry, latent_world.reference.id, CPU)
    model = open_reference_model(latent_world.registry, latent_world.reference.id)
    assert model.space == KIND
    x = torch.zeros(1, *KIND.shape)
    assert model.denoiser(x, torch.tensor([10])).shape == x.shape
    rankers = make_rankers(["gradients"], ranker_inputs(latent_world.registry, latent_world.reference))
    auditor = Auditor.prepare(latent_world.registry, latent_world.reference, AuditSettings(jacobian=False), CPU)
    encoded = auditor.context.encoded
    images = Images(encoded.works[3:6], encoded.shape)
    assert encoded.source.texts is not None
    images = replace(images, texts=tuple(encoded.source.texts.of(slice(3, 6))))
    scores = rankers[0].prepare(images, encoded.source).log_scores(slice(0, len(encoded.source)))
    assert scores[:, 0].argmax(axis=1).tolist() == [3, 4, 5]
    sketch = Sketch(model, KIND.shape)
    one, other = (sketch(images.pictures[:1], [text]) for text in ("disc", "square"))
    assert np.abs(one - other).max() > 1e-3 * np.abs(one).max()
    # A gradient under a text is that of the loss under this text.
    views, network = sketch.views, sketch.network
    latent = KIND.encode(torch.from_numpy(images.pictures[:1]) * 2.0 - 1.0)
    condition = KIND.condition([Prompt("disc")] * len(views), ())
    found = sketch.gradient(latent, condition)
    eps = network(views.of(latent), views.timesteps, condition)
    (((eps - views.noise) ** 2).mean(dim=(1, 2, 3)) * views.weight).mean().backward()
    expected = torch.cat([value.grad.flatten() for value in sketch.weights if value.grad is not None])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
