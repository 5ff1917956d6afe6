"""The arms of the study of cheaper members, and its measures."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from attribution.denoisers.pixels import PixelUNet
from attribution.ensemble.recipe import TrainingSettings
from attribution.sampling.predictions import renoise
from attribution.training.loop import learning_rate
from benchmarks.lds.data import HELD_OUT, Material
from benchmarks.lds.ground_truth import SAMPLER
from benchmarks.lds.models import CleanDenoiser, Variation, train_stack
from benchmarks.members.more_for_less import __main__ as command
from benchmarks.members.more_for_less import arms, measures
from benchmarks.members.more_for_less.arms import ARMS, HEAD, Arm, Studied
from benchmarks.members.more_for_less.measures import SEED_OF_VIEWS, Interval, denoising, influence

NETWORK = PixelUNet(size=8, channels=1, widths=(8,), groups=4, patch=4)
TRAINING = TrainingSettings(steps=8, batch_size=4, warmup_steps=2, common_works=False)


def pictures(count: int, seed: int) -> np.ndarray:
    """Random works."""
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 1), dtype=np.uint8)


@pytest.fixture
def study(tmp_path: Path) -> Studied:
    """Forty works that 16 members share, and a few that are not registered."""
    found = Material("tiny", pictures(40, 0), pictures(6, 1), ("one",) * 40, NETWORK, TRAINING)
    return Studied(found, pictures(8, 2), tmp_path)


def start() -> dict[str, torch.Tensor]:
    """The weights of a network that has been somewhere else."""
    return {name: value.detach() for name, value in CleanDenoiser(NETWORK, 5).named_parameters()}


def test_only_the_head_moves() -> None:
    """The other weights stay those of the start, and every weight of the head moves."""
    works = [torch.rand(5, 1, 8, 8), torch.rand(4, 1, 8, 8)]
    weights = train_stack(works, NETWORK, TRAINING, variation=Variation(start(), HEAD))
    for name, value in start().items():
        moved = (weights[name] - value).abs().amax(dim=tuple(range(1, value.ndim + 1)))
        assert (moved > 0).all() if name.startswith(HEAD) else not moved.any(), name


def test_adapters_begin_at_their_start_and_change_it_by_their_rank() -> None:
    """Nothing is changed before the first step, and then matrices alone, by the rank at most."""
    variation = Variation(start(), rank=1)
    begun = variation.weights(start(), {name: one[0] for name, one in variation.parameters(start(), 1, 0).items()})
    for name, value in start().items():
        torch.testing.assert_close(begun[name].detach(), value, rtol=0, atol=0)
    weights = train_stack([torch.rand(5, 1, 8, 8)], NETWORK, TRAINING, variation=variation)
    for name, value in start().items():
        change = (weights[name][0] - value).reshape(len(value), -1)
        assert torch.linalg.matrix_rank(change, atol=1e-5) == (1 if value.ndim > 1 else 0), name


def test_a_rate_of_cycles_is_that_of_shorter_trainings() -> None:
    """Each cycle has the rates of a training of its length."""
    variation, short = Variation(cycles=4), replace(TRAINING, steps=2)
    rates = [variation.rate(TRAINING, step) for step in range(8)]
    assert rates == [learning_rate(short, step) for step in (0, 1)] * 4
    plain = [Variation().rate(TRAINING, step) for step in range(8)]
    assert plain == [learning_rate(TRAINING, step) for step in range(8)]


def test_snapshots_of_a_run_are_one_member(study: Studied) -> None:
    """Two arms of one training: the last weights, and the mean of the predictions of all four."""
    last, four = (Arm(str(count), 16, 1, cycles=4, snapshots=count) for count in (1, 4))
    assert last.training_name == four.training_name
    one, all_four = study.trained(last, 0), study.trained(four, 0)
    assert one.ensemble.n == all_four.ensemble.n == 16
    assert one.seconds == all_four.seconds
    x, t = torch.rand(3, 1, 8, 8), torch.tensor([5, 300, 900])
    found = all_four.ensemble.predict(x, t)
    assert found.shape == (16, 3, 1, 8, 8)
    weights = all_four.ensemble.weights
    mean = torch.stack([_run(weights, row, x, t) for row in range(4)]).mean(dim=0)
    torch.testing.assert_close(found[0], mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(one.ensemble.predict(x, t)[0], _run(weights, 3, x, t), rtol=1e-4, atol=1e-5)


def _run(weights: dict[str, torch.Tensor], row: int, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    network = CleanDenoiser(NETWORK, 0)
    network.load_state_dict({name: value[row] for name, value in weights.items()})
    predicted: torch.Tensor = network.eval().requires_grad_(False)(x, t)
    return predicted


def test_a_trunk_counts_in_the_cost_and_is_trained_once(study: Studied) -> None:
    """Arms from a trunk take its seconds on top of their own; what is kept is not trained again."""
    arm = Arm("trunk", 16, 1 / 4, trunk=True)
    first = study.trained(arm, 0)
    _, trunk = study.trunk(0)
    times = {path: path.stat().st_mtime_ns for path in study.folder.iterdir()}
    assert first.seconds > trunk > 0
    assert study.trained(arm, 0).seconds == first.seconds
    assert {path: path.stat().st_mtime_ns for path in study.folder.iterdir()} == times


def test_no_work_of_the_trunk_is_a_work_or_held_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The pictures beside the works are divided."""
    beside = pictures(HELD_OUT + arms.UNREGISTERED, 3)
    found = Material("tiny", pictures(4, 0), beside, ("one",) * 4, NETWORK, TRAINING)
    monkeypatch.setattr(arms, "material", lambda _name, _source, _held_out: found)
    study = Studied.of("tiny", None, tmp_path)
    divided = np.concatenate([study.found.held_out, study.unregistered])
    assert (len(study.found.held_out), len(study.unregistered)) == (HELD_OUT, arms.UNREGISTERED)
    assert sorted(one.tobytes() for one in divided) == sorted(one.tobytes() for one in beside)


def test_every_arm_sees_half_of_the_works(study: Studied) -> None:
    """Codes differ, and arms of equally many members share them."""
    for n in {arm.n for arm in ARMS}:
        membership = study.membership(n, 0)
        assert (membership.sum(axis=1) == n // 2).all()
        assert len(np.unique(membership, axis=0)) == len(membership)
    assert not np.array_equal(study.membership(16, 0), study.membership(16, 1))


def test_arms_have_their_share_of_the_steps() -> None:
    """And of the warm-up; every training has a name of its own."""
    recipe = TrainingSettings(steps=600, warmup_steps=30)
    quick = Arm("quick", 64, 1 / 4).steps(recipe)
    assert (quick.steps, quick.warmup_steps) == (150, 8)
    names = {arm.training_name for arm in ARMS}
    assert len(names) == len(ARMS) - 1  # two arms differ in their snapshots alone


def test_influence_is_the_rise_of_the_mean_loss_without_the_members() -> None:
    """By hand."""
    loss = np.array([[1.0, 2.0, 4.0, 8.0]])
    membership = np.array([[True, True, False, False], [False, True, True, False]])
    np.testing.assert_allclose(influence(loss, membership), [[6.0 - 3.75, 4.5 - 3.75]])


def test_losses_of_members_are_those_of_an_audit(study: Studied) -> None:
    """And the loss of their mean is no larger than the mean of their losses."""
    ensemble = study.trained(Arm("few", 16, 1), 0).ensemble
    images = study.found.images()[:2]
    apart, together = denoising(ensemble, images)
    np.testing.assert_allclose(apart[0], renoise(ensemble, images[0], SAMPLER, SEED_OF_VIEWS).member_loss, rtol=1e-5)
    assert (together <= apart.mean(axis=1)).all()


def test_an_interval_counts_repetitions() -> None:
    """Where repetitions differ and images do not, more images do not make it narrower."""
    values = np.tile([0.0, 1.0, 2.0, 3.0], (50, 1))
    found = Interval.of(values)
    assert found.value == 1.5
    assert found.low < 0.0 < 3.0 < found.high
    assert found.by_repetition == (0.0, 1.0, 2.0, 3.0)
    assert found.over == "images and repetitions"
    two = Interval.of(values[:, :2])
    assert (two.low, two.high, two.over) == (0.5, 0.5, "images")


@pytest.mark.slow
def test_the_study_runs_and_goes_on(study: Studied, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two arms on tiny sets: a result with figures, and nothing is trained twice."""
    chosen = (arms.REFERENCE, arms.QUICK, ARMS[-1])
    for module, name, value in (
        (command, "ARMS", chosen),
        (command, "RESULTS", tmp_path),
        (command, "OUTPUTS", 4),
        (command, "PACKAGES", ("torch", "numpy")),  # random works need no library of digits
        (measures, "OUTPUTS", 4),
        (measures, "OWN", 4),
        (measures, "HALVES", 4),
        (measures, "SEEN", 8),
    ):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr("benchmarks.record.RESULTS", tmp_path)
    monkeypatch.setattr(Studied, "of", lambda *_: study)
    given = ["--cache", str(study.folder), "--repetitions", "3", "--redraws", "4"]
    monkeypatch.setattr(sys, "argv", ["more_for_less", *given])
    (tmp_path / "members").mkdir()
    assert command.main() in (0, 1)
    result = tmp_path / "members" / "more_for_less.json"
    first = result.read_bytes()
    found = json.loads(first)["results"]["sets"]["digits"]["arms"]
    assert found.keys() == {arm.name for arm in chosen}
    assert found[arms.REFERENCE.name]["training_cost"] == 1.0
    quick = found[arms.QUICK.name]
    assert {"low", "high", "value"} <= quick["p_at_most_0.05"].keys()
    assert quick["wrong_codes"]["p_at_most_0.05"]["total"] == 4
    assert (tmp_path / "members" / "more_for_less.svg").exists()
    command.main()
    assert result.read_bytes() == first
