"""What the papers' experiments count with, held against closed forms and brute force."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from attribution.ablation.exact import ablation_weights
from attribution.denoisers.pixels import PixelUNet
from attribution.denoisers.schedule import alpha_bars
from attribution.ensemble.recipe import TrainingSettings
from attribution.metrics.euclidean import euclidean
from attribution.sampling.sampler import sample
from attribution.sampling.schedule import SamplerSettings, steps_of
from attribution.training.draws import Draw, draw
from attribution.training.loop import TrainingRun
from benchmarks import record
from benchmarks.papers import e12_copies_by_steps, ensembles, landscapes, measures, reporting
from benchmarks.papers.caffe_lpips import MEAN, CaffeInput, open_caffe_lpips
from benchmarks.papers.copies import copying, copying_alone
from benchmarks.papers.digits import Digits, flat, read_idx, shrink
from benchmarks.papers.e07_class_influence import log10_p, split
from benchmarks.papers.e15_counterfactual_radius import slope_of
from benchmarks.papers.e16_unattributable import units_until_change
from benchmarks.papers.ensembles import RECIPES, SAMPLER, Perceptrons, Recipe, Trained, train
from benchmarks.papers.memorisers import Memoriser, Memorisers
from benchmarks.papers.networks import Perceptron, Shape, new_stack, stacked_eps
from benchmarks.papers.reporting import Setting
from benchmarks.papers.table import NOT_RUN, PAGE, ROWS, TABLES, renewed, table
from benchmarks.record import RESULTS
from registry.errors import InputError

TRAINING = TrainingSettings(steps=6, batch_size=8, learning_rate=3e-3, common_draws=False, common_works=False)
RECIPE = Recipe(n=4, h=2, network=Perceptrons(width=16, blocks=1), training=TRAINING)
UNETS = Recipe(
    n=4,
    h=2,
    network=PixelUNet(size=4, channels=1, widths=(8,), groups=4, patch=2),
    training=TrainingSettings(steps=6, batch_size=8),
)
EITHER = pytest.mark.parametrize("recipe", [RECIPE, UNETS], ids=["perceptron", "unet"])


def works(count: int = 6) -> np.ndarray:
    """Noise of 4x4 pixels."""
    return np.random.default_rng(0).integers(0, 256, (count, 4, 4), dtype=np.uint8)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(tmp_path_factory.mktemp("papers"), RECIPE, works())


def write_idx(folder: Path, split: str, images: np.ndarray, classes: list[int]) -> bytes:
    """Idx files as MNIST's, the images gzipped; returns the bytes of the labels."""
    count = len(classes).to_bytes(4, "big")
    header = (2051).to_bytes(4, "big") + count + (28).to_bytes(4, "big") * 2
    labels = (2049).to_bytes(4, "big") + count + bytes(classes)
    (folder / f"{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + images.tobytes()))
    (folder / f"{split}-labels-idx1-ubyte").write_bytes(labels)
    return labels


def write_digits(folder: Path) -> None:
    """A folder of noise as MNIST: 40 works and 60 held-out pictures of all classes."""
    noise = np.random.default_rng(0)
    for part, count in (("t10k", 40), ("train", 60)):
        images = noise.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        write_idx(folder, part, images, [place % 10 for place in range(count)])


def weights_of(trained: Trained, member: int) -> torch.Tensor:
    """All weights of one member in a row."""
    network = trained.ensemble.members[member]
    assert isinstance(network, torch.nn.Module)
    return torch.cat([value.flatten() for value in network.parameters()])


def test_a_stack_computes_what_its_members_compute() -> None:
    """Training and sampling see the same network."""
    shape = Shape(values=9, width=8, blocks=2)
    stack = new_stack(shape, 3, 0, common=False)
    stack["out"] *= 100
    x, t = torch.randn(3, 5, 9, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 300, 700, 999])
    together = stacked_eps(stack, shape, x, t.expand(3, 5))
    for index in range(3):
        alone = Perceptron(stack, shape, index)(x[index].reshape(5, 1, 3, 3), t)
        torch.testing.assert_close(alone.flatten(1), together[index], rtol=1e-4, atol=1e-4)


def test_a_member_that_predicts_nothing_returns_the_whole_input_as_noise() -> None:
    """With layers that give zero the clean image is zero, so x_t is all noise."""
    shape = Shape(values=4, width=8, blocks=1)
    stack = {name: torch.zeros_like(value) for name, value in new_stack(shape, 1, 0, common=True).items()}
    x, t = torch.ones(2, 1, 2, 2), torch.tensor([0, 500])
    expected = 1.0 / np.sqrt(1.0 - alpha_bars(SAMPLER)[[0, 500]])
    np.testing.assert_allclose(Perceptron(stack, shape, 0)(x, t)[:, 0, 0, 0].numpy(), expected, rtol=1e-5)


@EITHER
def test_a_member_depends_on_nothing_but_what_it_saw(recipe: Recipe, tmp_path: Path) -> None:
    """Another picture in one work's place changes the members that saw it, and no other."""
    other = works()
    other[0] = 255 - other[0]
    trained, again = train(tmp_path, recipe, works()), train(tmp_path, recipe, other)
    for member in range(4):
        same = torch.equal(weights_of(trained, member), weights_of(again, member))
        assert same == (not trained.membership[0, member])


def test_an_interrupted_training_ends_with_the_same_weights(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint holds all that the rest of the training depends on."""
    monkeypatch.setattr(ensembles, "CHECKPOINT_STEPS", 3)

    def interrupted(*arguments: object) -> object:
        if arguments[1] == 4:
            raise KeyboardInterrupt
        return draw(*arguments)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(ensembles, "draw", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, RECIPE, works())
    monkeypatch.setattr(ensembles, "draw", draw)
    again = train(tmp_path, RECIPE, works())
    assert [path.suffix for path in tmp_path.iterdir()] == [".safetensors"]
    for member in range(4):
        assert torch.equal(weights_of(trained, member), weights_of(again, member))


def test_an_interrupted_training_of_unets_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The product's checkpoints serve here too, and finished members are not trained again."""
    whole = train(tmp_path / "whole", UNETS, works())
    monkeypatch.setattr(ensembles, "CHECKPOINT_SECONDS", 0.0)
    begin, steps, kills = TrainingRun.begin, list[int](), [9]

    def interrupted(run: TrainingRun) -> Draw:
        if len(steps) in kills:
            kills.clear()
            raise KeyboardInterrupt
        steps.append(run.step)
        return begin(run)

    monkeypatch.setattr(TrainingRun, "begin", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", UNETS, works())
    again = train(tmp_path / "cut", UNETS, works())
    assert steps == [*range(6)] * 4
    for member in range(4):
        assert torch.equal(weights_of(whole, member), weights_of(again, member))


def test_a_memoriser_says_the_expected_noise_of_its_works() -> None:
    """By Bayes' rule over two works of one pixel, and where noise is small the nearest work."""
    member = Memoriser(torch.tensor([-1.0, 0.5]).reshape(2, 1, 1, 1))
    alpha_bar, x = alpha_bars(SAMPLER)[400], 0.2
    likelihood = np.exp(-((x - np.sqrt(alpha_bar) * np.array([-1.0, 0.5])) ** 2) / (2 * (1 - alpha_bar)))
    clean = float(likelihood @ [-1.0, 0.5]) / likelihood.sum()
    expected = (x - np.sqrt(alpha_bar) * clean) / np.sqrt(1 - alpha_bar)
    at = torch.full((1, 1, 1, 1), x)
    assert float(member(at, torch.tensor([400]))) == pytest.approx(expected, rel=1e-5)


def test_memorisers_alone_copy_their_works(tmp_path: Path) -> None:
    """Every sample of one member is one of its works; of the whole ensemble it need not be."""
    found = train(tmp_path, replace(UNETS, network=Memorisers()), works(6))
    digits = Digits("noise", works(6), np.zeros(6, np.int64), works(40)[6:], np.zeros(34, np.int64))
    alone = copying_alone(found, digits, 16)
    assert alone["memorised"]["share"] == alone["near_copies"]["share"] == 1.0
    assert alone["generated_over_unseen"] < 0.01
    assert copying(found, digits, 16)["generated_over_unseen"] > alone["generated_over_unseen"]


def test_the_input_of_a_network_from_caffe_is_blue_green_red() -> None:
    """White is 255 minus each mean; red arrives last."""
    white, red = torch.ones(1, 3, 1, 1), torch.tensor([1.0, -1.0, -1.0]).reshape(1, 3, 1, 1)
    assert CaffeInput()(white).flatten().tolist() == pytest.approx([255 - mean for mean in MEAN])
    assert CaffeInput()(red).flatten().tolist() == pytest.approx([-MEAN[0], -MEAN[1], 255 - MEAN[2]])


def test_another_file_is_no_squeezenet(tmp_path: Path) -> None:
    """Only the file with the known hash is read."""
    (tmp_path / "other.pth").write_bytes(b"weights")
    with pytest.raises(InputError, match="it is another file"):
        open_caffe_lpips(tmp_path / "other.pth")


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("e04_ensemble_against_members", "--units 12 --samples 8 --unseen 60"),
        pytest.param("e06_classes_as_units", "--samples 8", marks=pytest.mark.slow),
        pytest.param("e07_class_influence", "--samples 8", marks=pytest.mark.slow),
        pytest.param("e12_near_copies", "--units 12 --samples 8 --attributed 3 --ablated 2", marks=pytest.mark.slow),
        pytest.param("e13_fewer_copies", "--few 6 --units 12 --samples 8 --attributed 3", marks=pytest.mark.slow),
    ],
)
def test_an_experiment_runs_with_the_products_unet(
    name: str, counts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tiny run writes a result and a plot under the network's name, and the command for it."""
    network = PixelUNet(size=8, channels=1, widths=(8,), groups=4, patch=4)
    recipe = Recipe(n=6, h=3, network=network, training=TrainingSettings(steps=2, batch_size=4))
    monkeypatch.setitem(RECIPES, "unet", recipe)
    for module in (record, reporting):
        monkeypatch.setattr(module, "RESULTS", tmp_path)
    write_digits(tmp_path)
    options = ["--network", "unet", *counts.split()]
    folders = ["--data", str(tmp_path), "--cache", str(tmp_path / "cache")]
    monkeypatch.setattr("sys.argv", [f"papers/{name}.py", *folders, *options])
    assert import_module(f"benchmarks.papers.{name}").main() in (0, 1)
    found = json.loads((tmp_path / "papers" / f"{name}_unet.json").read_text())
    assert found["command"] == f"python -m benchmarks.papers.{name} --data FOLDER {' '.join(options)}"
    assert (tmp_path / "papers" / f"{name}_unet.svg").exists()


def test_copies_are_counted_at_states_of_one_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed run goes on from its last state, and ends with the same last state."""
    monkeypatch.setattr(e12_copies_by_steps, "SAMPLER", SamplerSettings(steps=4))
    write_digits(tmp_path)
    whole = e12_copies_by_steps.measure(Setting(tmp_path, tmp_path / "whole", ""), 8, 5, 4)
    assert [state["steps"] for state in whole["states"]] == [1, 2, 3, 4, 5]
    advance = TrainingRun.advance

    def interrupted(run: TrainingRun) -> None:
        if run.step == 3:
            raise KeyboardInterrupt
        advance(run)

    monkeypatch.setattr(TrainingRun, "advance", interrupted)
    cut = Setting(tmp_path, tmp_path / "cut", "")
    with pytest.raises(KeyboardInterrupt):
        e12_copies_by_steps.measure(cut, 8, 5, 4)
    monkeypatch.setattr(TrainingRun, "advance", advance)
    assert e12_copies_by_steps.measure(cut, 8, 5, 4) == whole


def test_units_of_several_works_are_seen_or_left_out_together(tmp_path: Path) -> None:
    """A unit's code decides for all its works."""
    found = train(tmp_path, replace(RECIPE, training=replace(TRAINING, steps=1)), works(), np.array([0, 0, 1, 1, 2, 2]))
    assert found.membership.shape == (3, 4)
    assert found.facts["units"] == 3
    assert found.facts["works"] == 6


def test_exact_influences_are_distances_to_samples_drawn_anew(trained: Trained, tmp_path: Path) -> None:
    """A landscape's row is the plain sampler's distance under that unit's weights."""
    found = landscapes.exact(tmp_path, trained, 3, np.array([4, 1]))
    assert found.units.tolist() == [1, 4]
    y = sample(trained.ensemble, trained.noise([3]), SAMPLER)
    for place, unit in enumerate([1, 4]):
        without = trained.draw([3], ablation_weights(trained.membership[[unit]]))
        assert found.raw[place] == pytest.approx(float(euclidean(y, without)), rel=1e-4)
    again = landscapes.exact(tmp_path, trained, 3, np.array([4, 1]))
    assert np.array_equal(found.seen, again.seen)


def test_baselines_are_what_they_say(trained: Trained) -> None:
    """By hand, for one unit: half of its members' mean residual, and the last step under the
    survivors alone.
    """
    y = trained.draw([0])[0]
    members = np.flatnonzero(trained.membership[2])
    alone = [trained.draw([0], torch.eye(4, dtype=torch.float64)[[member]])[0] - y for member in members]
    expected = float(euclidean(torch.zeros_like(y), torch.stack(alone).mean(dim=0)))
    assert landscapes.individual_models(trained, 0)[2] == pytest.approx(expected, rel=1e-4)
    seen: list[torch.Tensor] = []
    sample(trained.ensemble, trained.noise([0]), SAMPLER, observe=lambda o: seen.append(o.clean_images()[:, 0]))
    survivors = [member for member in range(4) if member not in members]
    step = steps_of(SAMPLER)[-1]
    assert step.from_clean == pytest.approx(1.0)
    without = seen[-1][survivors].mean(dim=0)
    assert landscapes.last_step_noise(trained, 0)[2] == pytest.approx(float(euclidean(y, without)), rel=1e-3)


def test_a_sample_of_equal_members_has_no_unit_that_changes_it(trained: Trained) -> None:
    """Leaving members out changes nothing if all say the same; with members that differ some unit
    does.
    """
    alike = replace(trained, ensemble=replace(trained.ensemble, members=[trained.ensemble.members[0]] * 4))
    assert units_until_change(alike, 0) == -1

    def constant(value: float) -> Perceptron:
        return lambda x, t, labels: torch.full_like(x, value)  # type: ignore[return-value]  # noqa: ARG005

    apart = replace(
        trained, ensemble=replace(trained.ensemble, members=[constant(value) for value in (-9.0, -3.0, 3.0, 9.0)])
    )
    assert units_until_change(apart, 0) == 6


def test_frechet_distance_of_normal_samples_in_one_dimension() -> None:
    """(difference of means)^2 + (difference of deviations)^2."""
    generator = np.random.default_rng(0)
    a, b = generator.normal(0, 1, (50, 1)), generator.normal(2, 3, (70, 1))
    expected = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    assert measures.frechet(a, b) == pytest.approx(expected)
    wide = generator.normal(size=(40, 5))
    assert measures.frechet(wide, wide) == pytest.approx(0.0, abs=1e-9)


def test_energy_distance_and_nearest_against_loops() -> None:
    """Every pair, one by one."""
    generator = np.random.default_rng(1)
    a, b = generator.random((7, 3)), generator.random((5, 3)) + 0.2

    def mean(x: np.ndarray, y: np.ndarray, same: bool) -> float:
        pairs = [(i, j) for i in range(len(x)) for j in range(len(y)) if not (same and i == j)]
        return float(np.mean([np.linalg.norm(x[i] - y[j]) for i, j in pairs]))

    expected = 2 * mean(a, b, False) - mean(a, a, True) - mean(b, b, True)
    assert measures.energy_distance(a, b) == pytest.approx(expected)
    which, distance = measures.nearest(a, b)
    table = np.linalg.norm(a[:, None] - b[None], axis=2)
    assert which.tolist() == table.argmin(axis=1).tolist()
    np.testing.assert_allclose(distance, table.min(axis=1))


def test_classes_by_majority_of_five() -> None:
    """Three of the five nearest outvote the two that are nearer."""
    line = np.array([[0.0], [0.1], [0.5], [0.6], [0.7], [9.0]])
    labels = np.array([1, 1, 2, 2, 2, 1])
    assert measures.classify(np.array([[0.0]]), line, labels).tolist() == [2]


def test_mann_whitney_p_on_a_log_scale_is_the_tests_own() -> None:
    """Where a float still holds it; influences are split by the predicted class."""
    influence = np.random.default_rng(2).random((40, 5))
    predicted = np.arange(40) % 5
    influence[np.arange(40), predicted] += 0.3
    own, others = split(influence, predicted)
    assert own.tolist() == [influence[row, row % 5] for row in range(40)]
    assert others.shape == (40, 4)
    test = stats.mannwhitneyu(own, others.ravel(), alternative="greater", method="asymptotic")
    found = log10_p(float(test.statistic), own.size, others.size)
    assert found == pytest.approx(np.log10(test.pvalue), rel=1e-6)


def test_the_slope_of_a_power_law_is_its_exponent() -> None:
    """Radii 10^2.46 N^-0.2 have the published slope and intercept, without spread."""
    units = [256, 1024, 8192]
    (slope, intercept), bounds = slope_of(units, [np.full(4, 10**2.46 * count**-0.2) for count in units])
    assert (slope, intercept) == pytest.approx((-0.2, 2.46))
    assert bounds == pytest.approx([-0.2, -0.2])


def test_idx_files_are_read_and_others_refused(tmp_path: Path) -> None:
    """Plain or gzipped; a file cut short or of another kind is refused with its name."""
    images = np.arange(2 * 28 * 28, dtype=np.int64).astype(np.uint8)
    labels = write_idx(tmp_path, "t10k", images, [7, 1])
    found, classes = read_idx(tmp_path, "t10k")
    assert np.array_equal(found.ravel(), images)
    assert classes.tolist() == [7, 1]
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(labels[:-1])
    with pytest.raises(InputError, match="t10k-labels"):
        read_idx(tmp_path, "t10k")
    with pytest.raises(InputError, match="train-images"):
        read_idx(tmp_path, "train")


def test_shrinking_averages_whole_blocks() -> None:
    """2x2 blocks for 14 pixels; for 8, a margin of two makes 28 into 32."""
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, :2, :2] = [[0, 100], [100, 200]]
    assert shrink(image, 14)[0, 0, 0] == 100
    assert shrink(image, 8)[0, 0, 0] == 25
    assert shrink(np.full((1, 28, 28), 255, np.uint8), 8)[0, 4, 4] == 255
    assert flat(shrink(image, 14)).shape == (1, 196)


def test_the_table_has_the_figures_of_the_result_files(tmp_path: Path) -> None:
    """Figures are read, an experiment without a file is said to be missing, and the rest of the
    page stays.
    """
    facts = {"members_needed": dict.fromkeys(("256", "10000", "60000", "1000000", "5000000000"), 11), "held": False}
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "e18_members_needed.json").write_text(json.dumps({"results": facts}))
    begin, end = "<!-- figures -->", "<!-- end of figures -->"
    page = renewed(f"before\n{begin}\nold\n{end}\nafter\n", "figures", table(tmp_path))
    assert page.startswith(f"before\n{begin}\n| experiment |")
    assert page.endswith(f"\n{end}\nafter\n")
    assert "old" not in page
    assert "| 11 for 256, 11 for 10,000, 11 for 60,000, 11 for 1,000,000, 11 for 5,000,000,000 | no |" in page
    assert page.count(NOT_RUN) == len(ROWS) - 1


def test_the_page_has_the_figures_of_the_results() -> None:
    """Nobody measures again and forgets the page."""
    page = PAGE.read_text(encoding="utf-8")
    for name, made in TABLES.items():
        assert renewed(page, name, made(RESULTS)) == page, f"run python -m benchmarks.papers.table: {name}"
