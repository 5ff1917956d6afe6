"""Adapters that train together become what they become alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from attribution.denoisers.schedule import schedule_fields
from attribution.denoisers.text_to_image.kind import Adapters
from attribution.denoisers.text_to_image.lora import Target
from attribution.engines.device import Device
from attribution.engines.ray_cluster import RayCluster
from attribution.ensemble.recipe import EnsembleSettings, TrainingSettings
from attribution.images import ImageSettings
from attribution.training.dataset import TrainingSet
from attribution.training.groups import in_groups, members_together
from attribution.training.lifecycle import train_ensemble
from attribution.training.loop import TrainingData, TrainingRun, advance, complete
from attribution.training.member import MemberTask, task_values, train_member, train_members
from benchmarks.tiny_base import TinyBase
from registry.home import Home
from registry.members.manifest import read_member_folder
from registry.storage.database import Registry
from tests.attribution.conftest import encode_written_works, prepare_ensemble
from tests.support.adapters import recipe_on_tiny_base, tiny_kind
from tests.support.killing import training_killed_after

pytestmark = pytest.mark.skipif(find_spec("transformers") is None, reason="the extra text-to-image is not installed")

BASES = {
    "sd": TinyBase(),
    "v": TinyBase(prediction="v_prediction", autoencoder="tiny"),
    "sdxl": TinyBase(sdxl=True),
}
TEXTS = ("a cat", "a dog in the house", "")
N, STEPS = 3, 5
ROWS = [np.array([0, 2, 3, 5, 7]), np.array([1, 2, 6]), np.array([0, 1, 4, 5, 6, 7])]
"""The works of each member: other numbers of works, some in common."""
CLOSE = 1e-3
"""Largest distance between two trainings of a member, as a share of the way that training moved it.
Adam divides by the size of gradients, so rounding of small ones counts."""


def settings_on(kind: Adapters, **training: object) -> EnsembleSettings:
    """A recipe in which everything that is a member's own matters: passes, dropout, weights."""
    values = {"steps": STEPS, "batch_size": 5, "accumulation": 2, "learning_rate": 0.01, "warmup_steps": 1} | training
    return EnsembleSettings(
        image=ImageSettings(size=kind.size),
        network=replace(kind, caption_dropout=0.4),
        training=replace(TrainingSettings(**values), **schedule_fields(kind)),  # type: ignore[arg-type]  # values of any field
        label_column="caption",
        labels_sha256="0" * 64,
    )


def works_of(kind: Adapters) -> TrainingSet:
    """Eight works of noise under :data:`TEXTS`."""
    rng = np.random.default_rng(0)
    return TrainingSet(
        pixels=rng.integers(0, 255, (8, kind.size, kind.size, 3), dtype=np.uint8),
        codes=np.zeros(8, dtype=np.uint64),
        labels=np.arange(8) % len(TEXTS),
        hashes=[f"{k:064x}" for k in range(8)],
        label_names=TEXTS,
    )


def group_of(settings: EnsembleSettings, works: TrainingSet) -> list[TrainingRun]:
    """Runs on the same data."""
    data = TrainingData.of(settings, works, np.arange(8), "cpu")
    return [TrainingRun(settings, works, rows, index, "cpu", data) for index, rows in enumerate(ROWS)]


def one_by_one(settings: EnsembleSettings, works: TrainingSet, steps: int = STEPS) -> list[TrainingRun]:
    """Each member alone, on its own data."""
    runs = [TrainingRun(settings, works, rows, index, "cpu") for index, rows in enumerate(ROWS)]
    for run in runs:
        for _ in range(steps):
            run.advance()
    return runs


def flat(run: TrainingRun) -> Tensor:
    """All trained values."""
    return torch.cat([value.flatten() for value in run.member.state().values()])


def assert_alike(left: list[TrainingRun], right: list[TrainingRun], settings: EnsembleSettings) -> None:
    """The same members, to rounding; and other members than each other."""
    start = torch.cat([value.flatten() for value in settings.network.new_member(0).state().values()])
    for one, other in zip(left, right, strict=True):
        assert one.step == other.step
        way = (flat(other) - start).norm()
        assert (flat(one) - flat(other)).norm() < CLOSE * way
    assert (flat(left[0]) - flat(left[1])).norm() > 100 * CLOSE * (flat(left[0]) - start).norm()


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny bases, by name; written once."""
    return tmp_path_factory.mktemp("bases")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "target"), [("sd", "attention+conv"), ("v", "attention"), ("sdxl", "attention+conv")])
def test_a_group_is_its_members_one_by_one(bases: Path, name: str, target: Target) -> None:
    """Other works, batches, dropped captions and weights for each member, in one batch."""
    kind = tiny_kind(bases / name, BASES[name], target=target)
    settings, works = settings_on(kind), works_of(kind)
    group = group_of(settings, works)
    for _ in range(STEPS):
        losses = advance(group)
        assert len({float(loss) for loss in losses}) == N
    assert_alike(group, one_by_one(settings, works), settings)


def test_the_first_step_has_the_gradients_of_the_members_alone(bases: Path) -> None:
    """Before Adam divides, gradients agree to the rounding of single precision."""
    kind = tiny_kind(bases / "sd", target="attention+conv")
    settings, works = settings_on(kind), works_of(kind)
    group = group_of(settings, works)
    losses = advance(group)
    for run, alone, loss in zip(group, one_by_one(settings, works, 0), losses, strict=True):
        torch.testing.assert_close(loss, advance([alone])[0], rtol=1e-5, atol=0)
        for value, expected in zip(run.member.parameters(), alone.member.parameters(), strict=True):
            assert value.grad is not None
            torch.testing.assert_close(value.grad, expected.grad, rtol=1e-3, atol=1e-6)


@pytest.mark.slow
def test_members_without_common_draws_train_together(bases: Path) -> None:
    """Each member has its own start, timesteps and noise."""
    kind = tiny_kind(bases / "sd")
    settings = settings_on(kind, common_draws=False, common_works=False)
    group, works = group_of(settings, works_of(kind)), works_of(kind)
    for _ in range(STEPS):
        advance(group)
    assert_alike(group, one_by_one(settings, works), settings)


def test_members_at_different_steps_meet(bases: Path, tmp_path: Path) -> None:
    """A kill between two checkpoints leaves members at different steps; those behind go first."""
    kind = tiny_kind(bases / "sd")
    settings, works = settings_on(kind), works_of(kind)
    stopped = dict(zip([tmp_path / str(index) for index in range(N)], group_of(settings, works), strict=True))
    advance([list(stopped.values())[1]])
    for _ in range(2):
        advance(list(stopped.values())[1:])
    for path, run in list(stopped.items())[1:]:
        run.save(path)
    assert [run.step for run in stopped.values()] == [0, 3, 2]
    resumed = dict(zip(stopped, group_of(settings, works), strict=True))
    reported: list[int] = []
    complete(resumed, reported.append)
    assert sum(reported) == STEPS
    assert_alike(list(resumed.values()), one_by_one(settings, works), settings)


@pytest.mark.slow
def test_half_precision_of_the_base_leaves_adapters_whole(bases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU: the UNet in bfloat16; A, B, moments and losses stay in float32."""
    whole = tiny_kind(bases / "half-whole", target="attention+conv")
    settings, works = settings_on(whole), works_of(whole)
    expected = group_of(settings, works)
    expected_losses = torch.stack([advance(expected) for _ in range(STEPS)])
    monkeypatch.setattr("attribution.denoisers.text_to_image.base.precision_on", lambda _device: torch.bfloat16)
    half = tiny_kind(bases / "half", target="attention+conv")
    settings = settings_on(half)
    group = group_of(settings, works)
    assert half.predictor(torch.device("cpu")).unet.network.get_submodule("conv_in").weight.dtype == torch.bfloat16
    losses = torch.stack([advance(group) for _ in range(STEPS)])
    assert losses.dtype == torch.float32
    torch.testing.assert_close(losses, expected_losses, rtol=0.05, atol=0)
    for run in group:
        assert all(value.dtype == torch.float32 for value in run.member.parameters())
        moments = run.optimiser.state.values()
        assert all(value.dtype == torch.float32 for moment in moments for value in moment.values())
        assert all(bool(torch.isfinite(value).all()) for value in run.member.parameters())


@dataclass(frozen=True)
class World:
    """A registry with an ensemble of adapters on a tiny base."""

    registry: Registry
    ensemble_id: str
    settings: EnsembleSettings

    def tasks(self, home: Path, **changes: object) -> list[MemberTask]:
        """The trainings of three members, into a home that has this registry's works."""
        values = task_values(self.registry, self.ensemble_id, Device("cpu", 1), 0.0)
        place = Home(home)
        here, there = self.registry.home.training(self.ensemble_id), place.training(self.ensemble_id)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.symlink_to(here)
        values |= {"home": place} | changes
        return [MemberTask(**values, member_id=f"{self.ensemble_id}-{index:02d}", index=index) for index in (1, 2, 4)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The works of six members, and none of the members."""
    root = tmp_path_factory.mktemp("group")
    registry, encoding_id = encode_written_works(root, n=6, h=3)
    training = TrainingSettings(steps=STEPS, batch_size=4, learning_rate=0.02)
    settings = recipe_on_tiny_base(registry, encoding_id, root / "base", training)
    return World(registry, prepare_ensemble(registry, encoding_id, settings), settings)


@pytest.mark.slow
def test_a_killed_group_resumes_to_the_members_one_by_one(world: World, tmp_path: Path) -> None:
    """Kill -9, then the same tasks; a member alone goes on from a group's checkpoint."""
    alone = [read_member_folder(train_member(task, lambda _: None)) for task in world.tasks(tmp_path / "alone")]
    tasks = world.tasks(tmp_path / "killed")
    training_killed_after(3, train_members, tasks, tmp_path / "tasks")
    assert len(list((tmp_path / "killed" / "members").glob(".*checkpoint.safetensors"))) == len(tasks)
    folders = [train_member(tasks[0], lambda _: None), *train_members(tasks[1:], lambda _: None)]
    start = torch.cat([value.flatten() for value in world.settings.network.new_member(0).state().values()])
    for expected, folder in zip(alone, folders, strict=True):
        found = read_member_folder(folder)
        assert found.works == expected.works
        left, right = (
            torch.cat([value.flatten() for _, value in sorted(load_file(each.weights).items())])
            for each in (found, expected)
        )
        assert (left - right).norm() < CLOSE * (right - start).norm() + 1e-6
    assert not list((tmp_path / "killed" / "members").glob(".*checkpoint.safetensors"))


def test_the_rule_for_groups(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One member at a time on a CPU; on a GPU as many as fit, in groups of nearly the same size.
    Where every worker has a GPU of its own, none is idle.
    """
    tasks = world.tasks(tmp_path)
    assert [len(group) for group in in_groups(tasks, Device("cpu", 4))] == [1, 1, 1]
    assert in_groups([], Device("cpu", 4)) == []
    settings = world.settings
    needed = settings.network.bytes_to_train(4)
    assert needed is not None
    assert members_together(settings, 16, "cuda", 100 * needed) == 16
    assert members_together(settings, 16, "cuda", 10 * needed) == 6  # 7 fit: groups of 6, 6 and 4 are as few
    assert members_together(settings, 16, "cuda", 0) == 1
    assert members_together(settings, 16, "cpu", 100 * needed) == 1
    smaller = replace(settings, training=replace(settings.training, accumulation=4))
    assert members_together(smaller, 64, "cuda", 10 * needed) == 22  # 28 fit: a pass has a quarter of the works
    assert members_together(EnsembleSettings(), 16, "cuda", 100 * needed) == 1  # whole networks share nothing
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda _: (2**40, 2**40))
    assert [len(group) for group in in_groups(tasks, Device("cuda", 2))] == [3]
    assert [len(group) for group in in_groups(tasks, Device("cuda", 2, RayCluster()))] == [2, 1]


def test_an_ensemble_trains_in_groups(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every member of a group is registered, and has its own progress."""
    root = tmp_path_factory.mktemp("grouped")
    registry, encoding_id = encode_written_works(root, n=6, h=3)
    training = TrainingSettings(steps=2, batch_size=2)
    settings = recipe_on_tiny_base(registry, encoding_id, root / "base", training)
    ensemble_id = prepare_ensemble(registry, encoding_id, settings)
    monkeypatch.setattr("attribution.training.groups.members_together", lambda *_: 4)
    reported: list[tuple[int, int]] = []
    made = list(
        train_ensemble(registry, ensemble_id, Device("cpu", 1), lambda member, steps: reported.append((member, steps)))
    )
    assert [member.index for member in made] == list(range(6))
    assert all(sum(steps for member, steps in reported if member == index) == 2 for index in range(6))
