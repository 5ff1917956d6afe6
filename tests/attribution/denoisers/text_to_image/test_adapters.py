"""Members on a shared base: files of diffusers, one batch for all members, exact to rounding."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from attribution.ablation.jacobian import sample_with_jacobian
from attribution.denoisers.ensemble import Ensemble
from attribution.denoisers.interface import Prompt
from attribution.denoisers.libraries import diffusers
from attribution.denoisers.schedule import alpha_bars, schedule_fields
from attribution.denoisers.text_to_image.condition import TextCondition
from attribution.denoisers.text_to_image.kind import Adapters
from attribution.denoisers.text_to_image.lora import Target
from attribution.denoisers.text_to_image.members import AdapterMember, SharedBaseEnsemble
from attribution.sampling.noise import noise_batch
from attribution.sampling.sampler import sample
from attribution.sampling.schedule import SamplerSettings
from benchmarks.tiny_base import TinyBase
from registry.errors import InputError, IntegrityError, MissingPartError, UsageError
from tests.support.adapters import moved_member, save_members, tiny_kind

pytestmark = pytest.mark.skipif(find_spec("transformers") is None, reason="the extra text-to-image is not installed")

PROMPTS = (
    Prompt("a cat"),
    Prompt("a dog", 7.5),
    Prompt(None),
    Prompt("the red sun", 2.0, "blue"),
    Prompt("a cat", 7.5, "a dog"),
)
BASES = {
    "sd": TinyBase(),
    "v": TinyBase(prediction="v_prediction", autoencoder="tiny"),
    "sdxl": TinyBase(sdxl=True),
}
TARGETS: tuple[Target, ...] = ("attention", "attention+conv")


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny bases, by name; written once."""
    return tmp_path_factory.mktemp("bases")


def inputs(kind: Adapters, prompts: tuple[Prompt, ...] = PROMPTS) -> tuple[Tensor, Tensor, TextCondition]:
    """Noise, timesteps and conditions, a row per prompt."""
    x = noise_batch(list(range(len(prompts))), 1, kind.shape)[:, 0]
    return x, torch.tensor([3, 250, 500, 900, 999])[: len(prompts)], kind.condition(prompts, ())


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["sd", "v", "sdxl"])
def test_diffusers_opens_a_member(bases: Path, tmp_path: Path, name: str, target: Target) -> None:
    """``load_lora_weights`` on a member's folder gives the same prediction in a plain pipeline."""
    kind = tiny_kind(bases / name, BASES[name], target=target)
    member = moved_member(kind, 3)
    kind.save_member(member, tmp_path)
    pipeline_class = diffusers().StableDiffusionXLPipeline if kind.sdxl else diffusers().StableDiffusionPipeline
    pipeline = pipeline_class.from_pretrained(bases / name, local_files_only=True)
    pipeline.load_lora_weights(tmp_path, adapter_name="member")
    x, t, _ = inputs(kind, (Prompt("a cat"), Prompt("the red sun")))
    for row, text in enumerate(("a cat", "the red sun")):
        encoded = pipeline.encode_prompt(text, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False)
        added = None
        if kind.sdxl:
            ids = torch.tensor([[kind.size, kind.size, 0, 0, kind.size, kind.size]])
            added = {"text_embeds": encoded[2], "time_ids": ids}
        with torch.no_grad():
            output = pipeline.unet(x[[row]], t[[row]], encoded[0], added_cond_kwargs=added).sample
        signal = torch.from_numpy(alpha_bars(kind))[t[row]].float()
        theirs = signal.sqrt() * output + (1 - signal).sqrt() * x[[row]] if name == "v" else output
        ours = member(x[[row]], t[[row]], kind.condition([Prompt(text)], ()))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)
        without = kind.open_base("cpu").predict(x[[row]], t[[row]], kind.condition([Prompt(text)], ()))[0]
        assert float((ours - without).abs().max()) > 1e-2


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["sd", "v", "sdxl"])
def test_members_together_are_the_members_alone(bases: Path, tmp_path: Path, name: str, target: Target) -> None:
    """One batch over rows, members and texts equals separate passes, row by row, in any chunks."""
    kind = tiny_kind(bases / name, BASES[name], target=target)
    ensemble = kind.open_members(save_members(kind, tmp_path, 3), "cpu")
    x, t, condition = inputs(kind)
    together = ensemble.predict(x, t, condition)
    weights = torch.tensor([[0.2, 0.0, 0.8], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.3, 0.3, 0.4], [0.0, 1.0, 0.0]])
    silenced = ensemble.predict(x, t, condition, weights)
    for index, member in enumerate(ensemble.members):
        for row in range(len(x)):
            rows = torch.tensor([row])
            alone = member(x[rows], t[rows], condition[rows])[0]
            torch.testing.assert_close(together[index, row], alone, rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(
                silenced[index, row], alone * float(weights[row, index] != 0), rtol=1e-4, atol=1e-4
            )
    assert float((together[0] - together[1]).abs().max()) > 1e-2
    predictor = replace(kind.predictor(x.device), at_once=3)
    pairs = [(row, member) for row in range(len(x)) for member in range(3)]
    assert isinstance(ensemble, SharedBaseEnsemble)
    small = predictor.predict(x, t, condition, ensemble.stack, pairs)
    torch.testing.assert_close(small.reshape(5, 3, *kind.shape).transpose(0, 1), together, rtol=1e-4, atol=1e-4)


def test_layers_before_the_first_adapter_run_once_per_row(bases: Path, tmp_path: Path) -> None:
    """Members and guidance share what no adapter and no text reaches."""
    kind = tiny_kind(bases / "sd")
    ensemble = kind.open_members(save_members(kind, tmp_path, 3), "cpu")
    seen: dict[str, int] = {}
    network = kind.predictor(torch.device("cpu")).unet.network

    def watch(name: str) -> Any:  # noqa: ANN401  # a hook
        return lambda _module, inputs, _output: seen.__setitem__(name, seen.get(name, 0) + len(inputs[0]))

    watched = ("conv_in", "down_blocks.0.resnets.0", "down_blocks.1.resnets.0", "up_blocks.1.resnets.0")
    hooks = [network.get_submodule(name).register_forward_hook(watch(name)) for name in watched]
    x, t, condition = inputs(kind, PROMPTS[:2])
    ensemble.predict(x, t, condition)
    for hook in hooks:
        hook.remove()
    evaluations = 3 + 3 * 2  # the second row is guided
    assert [seen[name] for name in watched] == [2, 2, 2, evaluations]


def test_guidance_is_the_closed_form(bases: Path, tmp_path: Path) -> None:
    """Eps = eps_negative + g (eps_text - eps_negative), with the empty text as the negative."""
    kind = tiny_kind(bases / "sd")
    ensemble = kind.open_members(save_members(kind, tmp_path, 2), "cpu")
    x, t, _ = inputs(kind, PROMPTS[:1])

    def under(prompt: Prompt) -> Tensor:
        return ensemble.predict(x, t, kind.condition([prompt], ()))

    text, negative, empty = under(Prompt("a cat")), under(Prompt("blue")), under(Prompt())
    torch.testing.assert_close(
        under(Prompt("a cat", 3.0, "blue")), negative + 3.0 * (text - negative), rtol=0, atol=1e-4
    )
    torch.testing.assert_close(under(Prompt("a cat", 3.0)), empty + 3.0 * (text - empty), rtol=0, atol=1e-4)
    torch.testing.assert_close(ensemble.predict(x, t), empty, rtol=0, atol=1e-5)


def test_the_jacobian_agrees_with_differences(bases: Path, tmp_path: Path) -> None:
    """Through the guided latent sampler and the decoder."""
    kind = tiny_kind(bases / "sd")
    ensemble = kind.open_members(save_members(kind, tmp_path, 2), "cpu")
    settings = SamplerSettings(method="ddim", steps=3, clip=False, **schedule_fields(kind))
    noise = noise_batch([5], settings.draws, kind.shape)
    condition = kind.condition([Prompt("a cat", 2.0)], ())
    found = sample_with_jacobian(ensemble, noise, settings, condition=condition)
    torch.testing.assert_close(found.y, sample(ensemble, noise, settings, condition=condition), rtol=1e-4, atol=1e-4)
    step = 1e-2
    for index in range(2):
        ends = []
        for sign in (1.0, -1.0):
            v = ensemble.uniform_weights()
            v[index] += sign * step
            ends.append(sample(ensemble, noise, settings, weights=v, condition=condition))
        difference = (ends[0] - ends[1]) / (2 * step)
        torch.testing.assert_close(found.jacobian[:, index], difference, rtol=2e-2, atol=2e-2 * float(difference.std()))


def test_the_jacobian_is_the_same_in_parts(bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With too little memory for all tangents, members and decoder carry a part at a time."""
    kind = tiny_kind(bases / "sd")
    ensemble = kind.open_members(save_members(kind, tmp_path, 3), "cpu")
    settings = SamplerSettings(method="ddim", steps=2, clip=False, **schedule_fields(kind))
    noise, condition = noise_batch([5], settings.draws, kind.shape), kind.condition([Prompt("a cat", 2.0)], ())
    whole = sample_with_jacobian(ensemble, noise, settings, condition=condition)
    assert kind.tangents_at_once(noise[:, 0]) >= 3
    monkeypatch.setattr("attribution.denoisers.text_to_image.memory.ON_CPU", 1)
    assert kind.tangents_at_once(noise[:, 0]) == 1
    parts = sample_with_jacobian(ensemble, noise, settings, condition=condition)
    torch.testing.assert_close(parts.jacobian, whole.jacobian, rtol=1e-3, atol=1e-5)


def test_merging_averages_the_updates(bases: Path, tmp_path: Path) -> None:
    """The merged member's B A is the mean of the members' on every module, in one evaluation."""
    kind = tiny_kind(bases / "sd", target="attention+conv")
    ensemble = kind.open_members(save_members(kind, tmp_path, 3), "cpu")
    members = [member for member in ensemble.members if isinstance(member, AdapterMember)]
    (whole,) = ensemble.merged(ensemble.uniform_weights()).members
    assert isinstance(whole, AdapterMember)
    for name, down, up in zip(whole.names, whole.down, whole.up, strict=True):
        update = up.flatten(1) @ down.flatten(1)
        mean = torch.stack([b[name].flatten(1) @ a[name].flatten(1) for a, b in (m.adapter() for m in members)]).mean(0)
        torch.testing.assert_close(update, mean, rtol=1e-4, atol=1e-6)
    x, t, condition = inputs(kind)
    one = ensemble.merged(torch.tensor([0.0, 1.0, 0.0]))
    torch.testing.assert_close(one.predict(x, t, condition)[0], members[1](x, t, condition), rtol=1e-4, atol=1e-4)
    assert isinstance(one.members[0], AdapterMember)
    assert one.members[0].down[0].shape == members[1].down[0].shape  # members of weight 0 leave no trace
    with pytest.raises(UsageError, match="no member has a weight"):
        ensemble.merged(torch.zeros(3))


def test_a_member_starts_as_the_base(bases: Path) -> None:
    """By the seed alone; the caller's random state stays."""
    kind = tiny_kind(bases / "sd")
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first, again, other = kind.new_member(7), kind.new_member(7), kind.new_member(8)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(value, again.state()[name]) for name, value in first.state().items())
    assert not torch.equal(first.down[0], other.down[0])
    assert all(not up.any() for up in first.up)
    assert all(float(down.detach().abs().max()) <= down[0].numel() ** -0.5 for down in first.down)
    assert {name for name, value in first.named_parameters() if value.requires_grad} == {
        name for name, _ in first.named_parameters()
    }


def test_files_of_other_adapters_are_refused(bases: Path, tmp_path: Path) -> None:
    """Of another rank, target, base; with NaN; with parts that are no adapter's."""
    kind = tiny_kind(bases / "sd")
    kind.save_member(moved_member(kind, 0), tmp_path)
    weights, config = tmp_path / "diffusion_pytorch_model.safetensors", tmp_path / "config.json"
    good = load_file(weights)

    def refused(match: str, tensors: dict[str, Tensor]) -> None:
        save_file(tensors, weights)
        with pytest.raises(IntegrityError, match=match):
            kind.load_member(tmp_path)

    one = next(iter(good))
    refused("shape .* for rank 4", {**good, one: good[one][:2]})
    refused("lacks", {name: value for name, value in good.items() if name != one})
    refused("has .*conv_in", {**good, "unet.conv_in.lora_A.weight": torch.zeros(1)})
    refused("no part of a LoRA adapter", {**good, "text_encoder.weight": torch.zeros(1)})
    refused("NaN or infinity", {**good, one: good[one] * float("nan")})
    refused("alpha is 3, expected 6", {**good, f"{one.rpartition('.lora')[0]}.alpha": torch.tensor(3.0)})
    save_file(good, weights)
    kind.load_member(tmp_path)
    document = json.loads(config.read_text())
    for name, value in (("base", "0" * 64), ("rank", 8), ("alpha", 1.0), ("target", "attention+conv")):
        config.write_text(json.dumps({**document, name: value}))
        with pytest.raises(IntegrityError, match=f"another network: {name}"):
            kind.load_member(tmp_path)


def test_names_of_peft_and_of_older_files_are_understood(bases: Path, tmp_path: Path) -> None:
    """The same tensors under other names, and in half precision."""
    kind = tiny_kind(bases / "sd")
    member = moved_member(kind, 0)
    for number, (prefix, a, b) in enumerate(
        (("base_model.model.", "lora_A", "lora_B"), ("", "lora_A", "lora_B"), ("unet.", "lora.down", "lora.up"))
    ):
        place = tmp_path / str(number)
        place.mkdir()
        kind.save_member(member, place)
        renamed = {
            prefix + name.removeprefix("unet.").replace("lora_A", a).replace("lora_B", b): value.half()
            for name, value in member.state().items()
        }
        save_file(renamed, place / "diffusion_pytorch_model.safetensors")
        found = kind.load_member(place).state()
        for name, value in member.state().items():
            assert found[name].dtype == torch.float32
            torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["sd", "v"])
def test_latents_are_those_of_the_pipeline(bases: Path, name: str) -> None:
    """The posterior's mean, scaled; decoding undoes the scale. Row by row."""
    kind = tiny_kind(bases / name, BASES[name])
    images = torch.rand(3, 3, kind.size, kind.size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    vae = diffusers().DiffusionPipeline.from_pretrained(bases / name, local_files_only=True).vae
    with torch.no_grad():
        mean = vae.encode(images).latents if name == "v" else vae.encode(images).latent_dist.mean
        encoded = kind.encode(images)
        torch.testing.assert_close(encoded, mean * kind.latent_scale, rtol=1e-4, atol=1e-5)
        assert encoded.shape == (3, *kind.shape)
        torch.testing.assert_close(kind.encode(images[1:2])[0], encoded[1], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(
            kind.decode(encoded), vae.decode(encoded / kind.latent_scale).sample, rtol=1e-4, atol=1e-5
        )


def test_the_recipe_holds_what_the_base_determines(bases: Path) -> None:
    """The fields come back from JSON without the place of the files, and bad ones are refused."""
    kind = tiny_kind(bases / "sd")
    document = json.loads(json.dumps(kind.to_json()))
    assert "files" not in document
    read = Adapters.from_json(document)
    assert read == kind
    with pytest.raises(MissingPartError, match="is not at hand: run `creditline base add"):
        read.new_member(0)
    for changes in ({"rank": 0}, {"target": "all"}, {"alpha": 0.0}, {"caption_dropout": 1.0}, {"prediction": "sample"}):
        with pytest.raises(UsageError):
            Adapters.from_json({**document, **changes})
    assert isinstance(Ensemble([kind.new_member(0)], kind).space, Adapters)


@pytest.mark.parametrize("name", ["sd", "sdxl"])
def test_texts_are_cut_and_compared(bases: Path, name: str) -> None:
    """The texts that are too long are named; each text is one vector, the same alone."""
    kind = tiny_kind(bases / name, BASES[name])
    texts = ["a cat", "the red sun", "the cat " * 20]
    assert kind.cut(texts) == texts[2:]
    features = kind.text_features(texts)
    assert features.ndim == 2
    assert features.dtype == np.float32
    np.testing.assert_array_equal(kind.text_features(texts[1:2])[0], features[1])
    assert np.abs(features[0] - features[1]).max() > 1e-3


def test_a_condition_is_packed_and_unpacked(bases: Path) -> None:
    """Bit for bit; other tensors are refused."""
    kind = tiny_kind(bases / "sdxl", BASES["sdxl"])
    condition = kind.condition(PROMPTS, ())
    found = kind.unpack(kind.pack(condition))
    assert all(torch.equal(getattr(found, name), value) for name, value in condition.tensors().items())
    with pytest.raises(InputError, match="expected the tensors of a text condition"):
        kind.unpack({"tokens": condition.tokens})
