"""Training a member: its works, kills that cost only time, and the files that it leaves."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from attribution.denoisers.interface import Prompt
from attribution.denoisers.libraries import diffusers
from attribution.denoisers.pixels import PixelUNet, UNetMember
from attribution.ensemble.recipe import EnsembleSettings, Precision, TrainingSettings
from attribution.images import ImageSettings
from attribution.training.dataset import open_training_set
from attribution.training.draws import BLOCK, _mixed, draw, draw_works, lowest_lots, step_seed
from attribution.training.loop import TrainingRun, learning_rate, loss_weight
from attribution.training.member import MemberTask, train_member
from registry.encodings.codes import codes_of
from registry.encodings.words import bits
from registry.errors import InputError, IntegrityError, UsageError
from registry.home import Home
from registry.members.manifest import ManifestEncoding, read_member_folder
from tests.support.killing import training_killed_after

WORKS, N, H = 12, 6, 3
NETWORK = PixelUNet(size=8, widths=(8,), groups=4)
SETTINGS = EnsembleSettings(
    image=ImageSettings(size=8),
    network=NETWORK,
    training=TrainingSettings(steps=40, batch_size=4, warmup_steps=2),
)


def task_in(root: Path, **changes: object) -> MemberTask:
    """A task with a training set laid out as by :mod:`attribution.training.dataset`."""
    home = Home(root)
    folder = home.training("e")
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    np.save(folder / "pixels.npy", rng.integers(0, 255, (WORKS, 8, 8, 3), dtype=np.uint8))
    np.save(folder / "codes.npy", codes_of(0, N, H, np.arange(WORKS)))
    np.save(folder / "labels.npy", np.arange(WORKS) % 2)
    (folder / "works.txt").write_text("".join(f"{k:064x}\n" for k in range(WORKS)))
    encoding = ManifestEncoding(id="0" * 12, n=N, h=H, seed=0, unit_kind="asset", unit_column=None)
    task = MemberTask(home=home, ensemble_id="e" * 12, member_id="e-02", index=2, encoding=encoding, settings=SETTINGS)
    (home.root / "training" / "e").rename(home.training("e" * 12))
    return replace(task, **changes)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "diffusion_pytorch_model.safetensors")


@pytest.mark.slow
def test_member_folder_is_complete_and_true(tmp_path: Path) -> None:
    """Manifest, hashes and list of works agree with each other and with the code's bit."""
    task = task_in(tmp_path)
    reported: list[int] = []
    folder = train_member(task, reported.append)
    assert sum(reported) == 40
    found = read_member_folder(folder)
    seen = bits(codes_of(0, N, H, np.arange(WORKS)), N)[:, 2]
    assert list(found.works) == [f"{k:064x}" for k in np.flatnonzero(seen)]
    assert found.manifest.settings == SETTINGS.to_json()
    assert sorted(path.name for path in folder.parent.iterdir()) == ["e-02"]


def test_diffusers_opens_a_member(tmp_path: Path) -> None:
    """``UNet2DModel.from_pretrained`` on the folder gives our network."""
    folder = train_member(task_in(tmp_path), lambda _: None)
    theirs = diffusers().UNet2DModel.from_pretrained(folder).eval()
    ours = NETWORK.load_member(folder)
    assert isinstance(ours, UNetMember)
    x, t = torch.randn(2, 12, 4, 4), torch.tensor([3, 500])
    torch.testing.assert_close(theirs(x, t).sample, ours.network(x, t), rtol=0, atol=0)


def test_only_seen_works_matter(tmp_path: Path) -> None:
    """A change of an unseen work changes nothing; a change of a seen one does."""
    seen = bits(codes_of(0, N, H, np.arange(WORKS)), N)[:, 2]
    results = []
    for number, changed in enumerate((None, np.flatnonzero(~seen)[0], np.flatnonzero(seen)[0])):
        task = task_in(tmp_path / str(number))
        path = task.home.training("e" * 12) / "pixels.npy"
        if changed is not None:
            pixels = np.load(path)
            pixels[changed] = 255 - pixels[changed]
            np.save(path, pixels)
        results.append(weights_of(train_member(task, lambda _: None)))
    plain, unseen, saw = results
    assert all(torch.equal(plain[name], unseen[name]) for name in plain)
    assert not all(torch.equal(plain[name], saw[name]) for name in plain)


@pytest.mark.slow
def test_killed_member_resumes_to_the_same_weights(tmp_path: Path) -> None:
    """Kill -9 in the middle, then the same task: bit for bit the uninterrupted weights."""
    whole = weights_of(train_member(task_in(tmp_path / "whole"), lambda _: None))
    killed = tmp_path / "killed"
    task = task_in(killed, checkpoint_seconds=0.0)
    training_killed_after(12, train_member, task, tmp_path / "task")
    checkpoints = list((killed / "members").glob(".*checkpoint.safetensors"))
    assert len(checkpoints) == 1
    assert not (killed / "members" / "e-02").exists()
    reported: list[int] = []
    resumed = weights_of(train_member(task, reported.append))
    assert reported[0] > 0
    assert sum(reported) == 40
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.slow
def test_nothing_is_left_of_a_work_that_was_withdrawn_meanwhile(tmp_path: Path) -> None:
    """Checkpoints and finished folders of a training that saw the work are not used."""

    class StopError(Exception):
        pass

    reported: list[int] = []

    def stop(steps: int) -> None:
        reported.append(steps)
        if len(reported) == 25:
            raise StopError

    seen = int(np.flatnonzero(bits(codes_of(0, N, H, np.arange(WORKS)), N)[:, 2])[0])
    without = {"left_out": (f"{seen:064x}",), "withdrawn_through": 0}
    clean = weights_of(train_member(task_in(tmp_path / "clean", **without), lambda _: None))
    stopped = task_in(tmp_path / "stopped", checkpoint_seconds=0.0)
    with pytest.raises(StopError):
        train_member(stopped, stop)
    assert list((tmp_path / "stopped" / "members").glob(".*checkpoint.safetensors"))
    finished = task_in(tmp_path / "finished")
    train_member(finished, lambda _: None)
    for task in (stopped, finished):
        folder = train_member(replace(task, **without), lambda _: None)  # type: ignore[arg-type]  # of the two fields
        assert f"{seen:064x}" not in read_member_folder(folder).works
        assert read_member_folder(folder).manifest.withdrawn_through == 0
        found = weights_of(folder)
        assert all(torch.equal(clean[name], found[name]) for name in clean)


def test_damaged_checkpoint_starts_anew(tmp_path: Path) -> None:
    """A checkpoint that cannot be read costs the progress, never the result."""
    whole = weights_of(train_member(task_in(tmp_path / "whole"), lambda _: None))
    task = task_in(tmp_path / "damaged")
    checkpoint = task.home.member(".e-02.checkpoint.safetensors")
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"not a checkpoint")
    resumed = weights_of(train_member(task, lambda _: None))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_run_of_no_member_has_the_common_draws(tmp_path: Path) -> None:
    """Without an index: start and draws of a member with common draws; its own run differs."""
    task = task_in(tmp_path)
    works = open_training_set(task.home.training("e" * 12))

    def trained(index: int | None, *, common: bool) -> torch.Tensor:
        training = replace(SETTINGS.training, common_draws=common, common_works=False)
        run = TrainingRun(replace(SETTINGS, training=training), works, np.arange(WORKS), index, "cpu")
        for _ in range(3):
            run.advance()
        return torch.cat([value.flatten() for value in run.member.state_dict().values()])

    assert torch.equal(trained(None, common=True), trained(4, common=True))
    apart = trained(None, common=False)
    assert not any(torch.equal(apart, trained(index, common=False)) for index in range(N))


@pytest.mark.parametrize("passes", [2, 3, 4])
def test_a_step_in_several_passes_is_the_step(tmp_path: Path, passes: int) -> None:
    """Gradients of the parts add up to those of the batch, also of unequal parts."""
    works = open_training_set(task_in(tmp_path).home.training("e" * 12))

    def trained(accumulation: int) -> torch.Tensor:
        training = replace(SETTINGS.training, accumulation=accumulation)
        run = TrainingRun(replace(SETTINGS, training=training), works, np.arange(WORKS), 1, "cpu")
        run.advance()
        return torch.cat([value.grad.flatten() for value in run.member.parameters() if value.grad is not None])

    torch.testing.assert_close(trained(passes), trained(1), rtol=1e-3, atol=1e-6)


def test_passes_are_at_most_the_works_of_a_step() -> None:
    """The default is not written, so that earlier ids stay."""
    assert "accumulation" not in TrainingSettings().to_json()
    assert TrainingSettings(accumulation=2).to_json()["accumulation"] == 2
    for wrong in (0, 17, 1.5):
        with pytest.raises(UsageError, match=r"passes|whole numbers"):
            TrainingSettings(accumulation=wrong)  # type: ignore[arg-type]  # as read from outside


def test_bfloat16_rounds_the_arithmetic_of_a_step_and_nothing_that_is_kept(tmp_path: Path) -> None:
    """Gradients are those of float32 up to its 8 bits; weights and moments stay float32, and a run
    that was stopped ends like one that was not.
    """
    works = open_training_set(task_in(tmp_path).home.training("e" * 12))

    def run_in(precision: Precision) -> TrainingRun:
        settings = replace(SETTINGS, training=replace(SETTINGS.training, precision=precision))
        return TrainingRun(settings, works, np.arange(WORKS), 1, "cpu")

    def gradients(precision: Precision) -> torch.Tensor:
        run = run_in(precision)
        run.advance()
        return torch.cat([value.grad.flatten() for value in run.member.parameters() if value.grad is not None])

    exact, rounded = gradients("float32"), gradients("bfloat16")
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).norm() / exact.norm() < 0.05
    whole, stopped = run_in("bfloat16"), run_in("bfloat16")
    for run in (whole, stopped):
        for _ in range(3):
            run.advance()
    stopped.save(tmp_path / "checkpoint")
    resumed = run_in("bfloat16")
    resumed.resume(tmp_path / "checkpoint")
    for run in (whole, resumed):
        run.advance()
    assert all(each.dtype == torch.float32 for each in whole.member.state().values())
    assert all(torch.equal(each, resumed.member.state()[name]) for name, each in whole.member.state().items())


def test_the_precision_is_one_that_is_known() -> None:
    """The default is not written, so that earlier ids stay."""
    assert "precision" not in TrainingSettings().to_json()
    assert TrainingSettings(precision="bfloat16").to_json()["precision"] == "bfloat16"
    with pytest.raises(UsageError, match="expected float32 or bfloat16"):
        TrainingSettings(precision="float16")  # type: ignore[arg-type]  # as read from outside


def test_diverging_member_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loss that is no number ends training with advice, and leaves no member behind."""
    task = task_in(tmp_path)

    new_member = PixelUNet.new_member

    def broken(network: PixelUNet, seed: int) -> UNetMember:
        member = new_member(network, seed)
        next(member.parameters()).data.fill_(float("inf"))
        return member

    monkeypatch.setattr(PixelUNet, "new_member", broken)
    with pytest.raises(UsageError, match=r"diverged at step 40.*--learning-rate"):
        train_member(task, lambda _: None)
    assert not task.home.member("e-02").exists()


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    """Weights that are not finite are never sampled from."""
    from safetensors.torch import save_file

    folder = train_member(task_in(tmp_path), lambda _: None)
    weights = weights_of(folder)
    weights["conv_in.weight"][0, 0, 0, 0] = float("nan")
    save_file(weights, folder / "diffusion_pytorch_model.safetensors")
    with pytest.raises(IntegrityError, match=r"NaN or infinity, first in conv_in\.weight"):
        SETTINGS.network.load_member(folder)


def test_common_draws_are_common(tmp_path: Path) -> None:
    """Members share timesteps and noise with common draws, and not without."""
    common = draw(SETTINGS.training, 7, None, 5, (3, 8, 8))
    again = draw(SETTINGS.training, 7, None, 5, (3, 8, 8))
    own = draw(SETTINGS.training, 7, 1, 5, (3, 8, 8))
    assert all(torch.equal(left, right) for left, right in zip(common, again, strict=True))
    assert not torch.equal(common.noise, own.noise)
    assert step_seed(SETTINGS.training, 7, None) != step_seed(SETTINGS.training, 8, None)
    settings = replace(SETTINGS, training=replace(SETTINGS.training, common_draws=False, common_works=False))
    weights = weights_of(train_member(task_in(tmp_path, settings=settings), lambda _: None))
    assert weights


def test_works_in_common_are_drawn_in_common() -> None:
    """Members that saw a work train on it at the same steps, timesteps and noise."""
    training = TrainingSettings(batch_size=16)
    keys = np.random.default_rng(0).integers(0, 2**63, 200).astype(np.uint64)
    saw = [np.arange(0, 120), np.arange(60, 200)]
    shared = 0
    for step in range(100):
        left, right = (
            {
                int(rows[k]): (int(t), noise)
                for k, t, noise in zip(*draw_works(training, step, keys[rows], (1, 4, 4))[:3], strict=True)
            }
            for rows in saw
        )
        assert len(left) == len(right) == 16
        for work in left.keys() & right.keys():
            assert left[work][0] == right[work][0]
            assert torch.equal(left[work][1], right[work][1])
        shared += len(left.keys() & right.keys())
    # Both saw 60 works, of 120 and of 140; uncoordinated draws would share about one in a hundred.
    assert 0.35 < shared / 1600 < 0.5


def test_each_work_is_drawn_as_often_as_any_other() -> None:
    """Uniform over a member's works and over timesteps, and standard normal in noise."""
    training = TrainingSettings(batch_size=8)
    keys = np.arange(20, dtype=np.uint64)
    drawn = [draw_works(training, step, keys, (1, 4, 4)) for step in range(500)]
    counts = np.bincount(torch.cat([one.rows for one in drawn]).numpy(), minlength=20)
    assert counts.sum() == 4000
    assert abs(counts - 200).max() < 5 * np.sqrt(200 * 0.6)
    t = torch.cat([one.t for one in drawn])
    assert abs(np.histogram(t.numpy(), 10, (0, 1000))[0] - 400).max() < 100
    noise = torch.cat([one.noise for one in drawn])
    assert abs(float(noise.mean())) < 0.02
    assert float(noise.std()) == pytest.approx(1.0, abs=0.02)


def test_few_works_fill_a_batch() -> None:
    """A member of three works trains on each of them several times a step, under other noise."""
    training = TrainingSettings(batch_size=8)
    chosen, _, noise, _ = draw_works(training, 0, np.arange(3, dtype=np.uint64), (1, 4, 4))
    assert np.bincount(chosen.numpy(), minlength=3).min() >= 2
    assert len({float(value) for value in noise[:, 0, 0, 0]}) == 8


@given(
    works=st.one_of(st.integers(1, 40), st.integers(BLOCK - 3, 2 * BLOCK + 3)),
    rounds=st.integers(1, 3),
    count=st.integers(1, 64),
    seed=st.integers(0, 2**32),
    crowded=st.booleans(),
)
def test_the_lowest_lots_are_those_of_a_sort_of_all(
    works: int, rounds: int, count: int, seed: int, crowded: bool
) -> None:
    """In blocks, and also if nearly every lot lies above the bound that many lots lie below."""
    generator = np.random.default_rng(seed)
    keys = generator.integers(0, 2**63, works, dtype=np.uint64)
    keys = np.full_like(keys, keys[0]) if crowded else keys
    step_keys = generator.integers(0, 2**63, rounds, dtype=np.uint64)
    count = min(count, works * rounds)
    places, lots = lowest_lots(keys, step_keys, count)
    everything = np.stack([_mixed(keys ^ step_key) for step_key in step_keys])
    assert lots.tolist() == np.sort(everything.ravel())[:count].tolist()
    assert all(lot in everything[:, place] for place, lot in zip(places.tolist(), lots, strict=True))


def test_common_works_need_common_draws(tmp_path: Path) -> None:
    """Common works without common noise are refused; common noise alone is not."""
    with pytest.raises(UsageError, match="common_draws"):
        TrainingSettings(common_draws=False, common_works=True)
    settings = replace(SETTINGS, training=replace(SETTINGS.training, common_works=False, steps=3))
    assert weights_of(train_member(task_in(tmp_path, settings=settings), lambda _: None))


def test_timesteps_cover_the_schedule() -> None:
    """Stratified: one timestep from each of the batch's equal ranges, none outside the schedule."""
    training = TrainingSettings(batch_size=10)
    for step in range(50):
        t = draw(training, step, None, 3, (1, 4, 4)).t
        assert (t // 100).tolist() == list(range(10))


def test_loss_weight_caps_the_signal_to_noise_ratio() -> None:
    """1 where the noise is strong, cap / SNR where it is weak, and 1 everywhere without a cap."""
    alpha_bar = torch.tensor([0.1, 0.5, 0.9])
    torch.testing.assert_close(loss_weight(alpha_bar, 1.0), torch.tensor([1.0, 1.0, 1.0 / 9.0]))
    torch.testing.assert_close(loss_weight(alpha_bar, 0.0), torch.ones(3))


def test_learning_rate_rises_and_falls() -> None:
    """From a small share of the peak up to it, and down to nearly nothing."""
    training = TrainingSettings(steps=100, warmup_steps=9, learning_rate=0.01)
    rates = [learning_rate(training, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.001)
    assert max(rates) < 0.01
    assert rates[-1] == pytest.approx(0.0001)
    assert rates.index(max(rates)) == 9


def test_class_labels_reach_the_network(tmp_path: Path) -> None:
    """A conditional member answers differently under different labels."""
    settings = EnsembleSettings(
        image=SETTINGS.image,
        network=replace(NETWORK, class_count=2),
        training=SETTINGS.training,
        label_column="kind",
        classes=("a", "b"),
        labels_sha256="0" * 64,
    )
    member = settings.network.load_member(train_member(task_in(tmp_path, settings=settings), lambda _: None))
    x, t = torch.randn(1, 3, 8, 8), torch.tensor([400])
    assert not torch.equal(member(x, t, torch.tensor([0])), member(x, t, torch.tensor([1])))
    condition = settings.condition(Prompt("b"), 3)
    assert isinstance(condition, torch.Tensor)
    assert condition.tolist() == [1, 1, 1]
    assert SETTINGS.condition(None, 3) is None
    for unknown in (Prompt("c"), None):
        with pytest.raises(UsageError, match="choose one of a, b"):
            settings.condition(unknown)
    with pytest.raises(UsageError, match="has no classes"):
        SETTINGS.condition(Prompt("a"))
    with pytest.raises(UsageError, match="guidance"):
        settings.condition(Prompt("a", guidance=2.0))


def test_altered_weights_are_told_apart(tmp_path: Path) -> None:
    """Weights or a config of another network are refused by file name."""
    folder = train_member(task_in(tmp_path), lambda _: None)
    (folder / "diffusion_pytorch_model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}")
    with pytest.raises(IntegrityError, match=r"diffusion_pytorch_model\.safetensors"):
        SETTINGS.network.load_member(folder)
    with pytest.raises(IntegrityError, match="another network"):
        replace(NETWORK, widths=(16,)).load_member(folder)


def test_settings_survive_json() -> None:
    """Stored settings come back equal, and anything else is refused."""
    assert EnsembleSettings.from_json(SETTINGS.to_json()) == SETTINGS
    with pytest.raises(InputError, match="expected"):
        EnsembleSettings.from_json({"image": {}})
    with pytest.raises(InputError):
        EnsembleSettings.from_json({**SETTINGS.to_json(), "network": {"size": 8}})


@pytest.mark.parametrize(
    "settings", [{"patch": 3}, {"widths": (10,)}, {"channels": 4}, {"size": 6, "widths": (8, 8), "patch": 2}]
)
def test_networks_that_cannot_be_are_refused(settings: dict[str, object]) -> None:
    """Sizes that do not divide are an error before anything is built."""
    with pytest.raises(UsageError):
        PixelUNet(**settings)  # type: ignore[arg-type]


@pytest.mark.slow
def test_killing_the_parent_ends_the_workers(tmp_path: Path) -> None:
    """No worker outlives a killed command."""
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, time\n"
        "from attribution.engines.device import Device, run_tasks\n"
        "def work(task, report):\n"
        "    print(os.getpid(), flush=True)\n"
        "    time.sleep(60)\n"
        "if __name__ == '__main__':\n"
        "    list(run_tasks(work, [1, 2], Device('cpu', 2)))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(tmp_path)])}
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    worker = int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and Path(f"/proc/{worker}/stat").exists():
        time.sleep(0.1)
        if Path(f"/proc/{worker}/stat").exists() and " Z " in Path(f"/proc/{worker}/stat").read_text():
            break
    else:
        assert not Path(f"/proc/{worker}").exists()
