"""Adapters through the trainer, sampler and replay of every kind, on a tiny base with captions."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from attribution.denoisers.interface import Prompt
from attribution.denoisers.text_to_image.condition import TextCondition
from attribution.engines.device import Device
from attribution.ensemble.recipe import EnsembleSettings, TrainingSettings
from attribution.ensemble.serving import ServingEnsemble
from attribution.images import from_pixels
from attribution.sampling.generate import generate_samples
from attribution.sampling.replay import verify_named
from attribution.sampling.requests import requests_for
from attribution.sampling.schedule import schedule_of
from attribution.training.dataset import open_training_set
from attribution.training.encoded import EncodedShards, encode_works
from attribution.training.loop import TrainingRun
from attribution.training.member import MemberTask, task_values, train_member
from registry.errors import IntegrityError
from registry.home import Home
from registry.members.manifest import read_member_folder
from registry.storage.database import Registry
from tests.attribution.conftest import encode_written_works, prepare_ensemble, train_all
from tests.support.adapters import recipe_on_tiny_base
from tests.support.killing import training_killed_after

pytestmark = pytest.mark.skipif(find_spec("transformers") is None, reason="the extra text-to-image is not installed")

N, H = 6, 3
HERE = Device("cpu", 1)


@dataclass(frozen=True)
class CaptionedWorld:
    """A registry with a base, and an ensemble of adapters on it."""

    registry: Registry
    base: Path
    settings: EnsembleSettings
    ensemble_id: str
    encoding_id: str

    def task(self, home: Path | None = None) -> MemberTask:
        """The training of member 1, into another home if one is given."""
        values = task_values(self.registry, self.ensemble_id, HERE, 0.0)
        if home is not None:
            place = Home(home)
            here, there = self.registry.home.training(self.ensemble_id), place.training(self.ensemble_id)
            there.parent.mkdir(parents=True, exist_ok=True)
            there.symlink_to(here)
            values["home"] = place
        return MemberTask(**values, member_id=f"{self.ensemble_id}-01", index=1)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> CaptionedWorld:
    """Everything through the functions that pixels use; read only."""
    root = tmp_path_factory.mktemp("adapters")
    registry, encoding_id = encode_written_works(root, n=N, h=H)
    training = TrainingSettings(steps=6, batch_size=4, learning_rate=0.02, accumulation=2)
    settings = recipe_on_tiny_base(registry, encoding_id, root / "base", training)
    ensemble_id = prepare_ensemble(registry, encoding_id, settings)
    return CaptionedWorld(registry, root / "base", settings, ensemble_id, encoding_id)


@pytest.fixture(scope="module")
def reference(world: CaptionedWorld) -> ServingEnsemble:
    """The trained members."""
    return train_all(world.registry, world.ensemble_id, N)


def test_latents_and_texts_are_kept(world: CaptionedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each work is encoded once, under its hash; a training run loads neither encoder."""
    kept = open_training_set(world.registry.home.training(world.ensemble_id))
    assert isinstance(kept.encoded, EncodedShards)
    (shard, hashes), *others = kept.encoded.shards
    assert not others
    assert set(load_file(shard)) == set(hashes) == set(kept.hashes)
    rows = np.array([5, 0, 17])
    with torch.no_grad():
        again = world.settings.network.encode(from_pixels(kept.pixels[rows]))
    torch.testing.assert_close(torch.from_numpy(kept.encoded[rows]), again, rtol=1e-4, atol=1e-5)

    def refuse(*_: object) -> None:
        raise AssertionError("a training run loaded an encoder")

    monkeypatch.setattr("attribution.denoisers.text_to_image.kind.open_texts", refuse)
    monkeypatch.setattr("attribution.denoisers.text_to_image.kind.open_autoencoder", refuse)
    run = TrainingRun(world.settings, kept, np.arange(9), 1, "cpu")
    assert isinstance(run.data.conditions, TextCondition)
    assert len(run.data.conditions) == 3  # disc, square, and the empty text of dropped captions
    run.advance()


def test_a_killed_encoding_keeps_its_shards(world: CaptionedWorld, tmp_path: Path) -> None:
    """Shards that are done stay as they are; files of other works go."""
    kept = open_training_set(world.registry.home.training(world.ensemble_id))
    works = EncodedShards(tmp_path / "encoded", kept.hashes, in_a_shard=7)
    encode_works(world.settings.network, kept.pixels, works, "cpu")
    assert [len(hashes) for _, hashes in works.shards] == [7, 7, 4]
    first, second, _ = (path for path, _ in works.shards)
    before = first.stat().st_mtime_ns
    second.unlink()
    (works.folder / "other.safetensors").write_bytes(b"")
    encode_works(world.settings.network, kept.pixels, works, "cpu")
    assert first.stat().st_mtime_ns == before
    assert {path.name for path in works.folder.iterdir()} == {path.name for path, _ in works.shards}
    assert kept.encoded is not None
    rows = np.array([17, 3, 9, 3])
    np.testing.assert_allclose(works[rows], kept.encoded[rows], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_a_killed_training_resumes_to_the_same_weights(world: CaptionedWorld, tmp_path: Path) -> None:
    """Kill -9 in the middle, then the same task: bit for bit the uninterrupted weights.

    On one thread everywhere, as members train: sums over more threads round in another way.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        whole, resumed = _whole_and_resumed(world, tmp_path)
    finally:
        torch.set_num_threads(threads)
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def _whole_and_resumed(
    world: CaptionedWorld, tmp_path: Path
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    whole = load_file(read_member_folder(train_member(world.task(tmp_path / "whole"), lambda _: None)).weights)
    task = world.task(tmp_path / "killed")
    training_killed_after(4, train_member, task, tmp_path / "task")
    folder = task.home.member(task.member_id)
    assert not folder.exists()
    return whole, load_file(read_member_folder(train_member(task, lambda _: None)).weights)


def test_a_run_from_a_checkpoint_ends_alike(world: CaptionedWorld, tmp_path: Path) -> None:
    """The checkpoint holds A, B and the optimiser's moments, and no weight of the base."""
    works = open_training_set(world.registry.home.training(world.ensemble_id))

    def begun() -> TrainingRun:
        return TrainingRun(world.settings, works, np.arange(9), 1, "cpu")

    whole, broken, resumed = begun(), begun(), begun()
    for _ in range(3):
        whole.advance()
    broken.advance()
    broken.save(tmp_path / "checkpoint")
    resumed.resume(tmp_path / "checkpoint")
    for _ in range(2):
        resumed.advance()
    assert all(torch.equal(value, resumed.member.state()[name]) for name, value in whole.member.state().items())
    names = load_file(tmp_path / "checkpoint")
    assert all("lora_" in name for name in names if name.startswith("network."))


def test_members_are_trained_sampled_and_verified(world: CaptionedWorld, reference: ServingEnsemble) -> None:
    """Every manifest states the base; a guided sample is generated again from its row."""
    for key in reference.member_ids:
        found = read_member_folder(world.registry.home.member(key))
        network = found.manifest.settings["network"]
        assert isinstance(network, dict)
        assert network["base"] == world.settings.network.to_json()["base"]
        assert all("lora_" in name for name in load_file(found.weights))
        assert any(bool(value.any()) for name, value in load_file(found.weights).items() if "lora_B" in name)
    sampler = replace(schedule_of(world.settings.training), method="ddim", steps=2, clip=False)
    prompt = Prompt("disc", guidance=2.0, negative="square")
    rows = list(generate_samples(world.registry, reference, requests_for(range(2), prompt), sampler, HERE))
    assert len(rows) == 2
    assert [found.condition for found in verify_named(world.registry, [rows[0].id], HERE)] == ["identical"]


def test_a_changed_base_is_refused(world: CaptionedWorld) -> None:
    """Before training every byte is compared; the message names the file."""
    path = world.base / "unet" / "diffusion_pytorch_model.safetensors"
    data = path.read_bytes()
    times = path.stat()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    try:
        with pytest.raises(IntegrityError, match=r"unet/diffusion_pytorch_model\.safetensors"):
            world.settings.located(world.registry, training=True)
    finally:
        path.write_bytes(data)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    world.settings.located(world.registry, training=True)
