"""The comparison of rankers: its ground truth and its grades."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from attribution.denoisers.ensemble import Ensemble
from attribution.denoisers.pixels import PixelUNet
from attribution.ensemble.recipe import TrainingSettings
from attribution.ranking.rankers.fusion import SummedScores, fit_fusion
from attribution.ranking.rankers.gradients.whitened import VIEWS, Gradients
from attribution.ranking.rankers.interface import Images, PixelRows, Works, dense_scores
from attribution.sampling.predictions import renoise
from attribution.sampling.schedule import SamplerSettings
from attribution.training.reference_model import ReferenceModel
from benchmarks.lds.choice import choices_on, old_rule
from benchmarks.lds.compare import compare
from benchmarks.lds.data import Material, material
from benchmarks.lds.grades import ceiling, difference, graded, per_query
from benchmarks.lds.gradient_study import VARIANTS, Study
from benchmarks.lds.ground_truth import SAMPLER, Ground, random_halves
from benchmarks.lds.models import Stack, denoising_losses, trained
from benchmarks.lds.plots import plot_lds
from benchmarks.lds.rightsholders import ceiling as owners_ceiling
from benchmarks.lds.rightsholders import ndcg, reciprocal_ranks

NETWORK = PixelUNet(size=8, channels=1, widths=(8,), groups=4, patch=4)
TRAINING = TrainingSettings(steps=3, batch_size=4, common_works=False)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Two models of different works."""
    membership = np.array([[True] * 4 + [False] * 4, [False, True] * 4])
    return trained(tmp_path_factory.mktemp("models"), "pair", images(), membership, NETWORK, TRAINING)


def images() -> torch.Tensor:
    """Eight little works in [-1, 1]."""
    return torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_a_model_does_not_depend_on_its_stack(stack: Stack, tmp_path: Path) -> None:
    """Trained beside others or alone, a model of the same works has the same weights."""
    alone = trained(tmp_path, "one", images(), np.array([[False, True] * 4]), NETWORK, TRAINING)
    for name, value in alone.weights.items():
        torch.testing.assert_close(value[0], stack.weights[name][1], atol=2e-4, rtol=1e-3)


def test_losses_are_those_that_an_ensemble_is_graded_by(stack: Stack) -> None:
    """The same noise and steps as re-noising an image for an ensemble's members."""
    settings, image = SamplerSettings(steps=10), images()[3]
    found = denoising_losses(stack, image[None], [77], settings)[0]
    ensemble = Ensemble([stack.model(index) for index in range(2)])
    expected = renoise(ensemble, image, settings, 77).member_loss
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_every_work_is_in_half_of_the_subsets() -> None:
    """Subsets come in complementary pairs."""
    halves = random_halves(10, 6, 0)
    assert (halves.sum(axis=1) == 5).all()
    assert (halves.sum(axis=0) == 3).all()


def test_a_perfect_ranker_reaches_100_and_its_opposite_minus_100() -> None:
    """Losses that fall by exactly what a model saw."""
    generator = np.random.default_rng(0)
    halves, scores = random_halves(20, 12, 1), generator.random((6, 20))
    loss = -(scores @ halves.T)
    generated = np.arange(6) < 3
    np.testing.assert_allclose(per_query(scores, loss, halves), 1.0)
    assert graded(scores, loss, halves, generated)["generated"]["lds"] == 100.0
    assert graded(-scores, loss, halves, generated)["held_out"]["lds"] == -100.0
    assert difference(scores, -scores, loss, halves, generated)["generated"]["difference"] == 200.0
    both = ceiling(np.stack([loss, loss]), generated)
    assert both is not None
    assert both["generated"]["seed_against_seed"] == 100.0
    assert ceiling(loss[None], generated) is None


def test_ranks_of_rightsholders() -> None:
    """Closed forms: the most harmful absence is predicted first, third, last."""
    loss = np.array([[3.0, 2.0, 1.0, 0.0]] * 3)
    predicted = np.array([[9.0, 8.0, 7.0, 6.0], [7.0, 9.0, 8.0, 6.0], [1.0, 3.0, 2.0, 4.0]])
    np.testing.assert_allclose(reciprocal_ranks(predicted, loss), [1.0, 1 / 3, 1 / 4])
    discount = 1 / np.log2([2, 3, 4])
    best = 3 * discount[0] + 2 * discount[1] + 1 * discount[2]
    second = 2 * discount[0] + 1 * discount[1] + 3 * discount[2]
    last = 0 * discount[0] + 2 * discount[1] + 1 * discount[2]
    np.testing.assert_allclose(ndcg(predicted, loss, 3), [1.0, second / best, last / best])


def test_a_ranker_that_says_nothing_is_not_rewarded() -> None:
    """Equal scores for all count as the last place, not the first."""
    assert reciprocal_ranks(np.zeros((1, 5)), np.arange(5.0)[None])[0] == pytest.approx(0.2)


def test_trainings_grade_each_other() -> None:
    """Two that agree and two that say the opposite: of the ordered pairs a third agrees, and the
    halves not at all.
    """
    up = np.tile(np.arange(4.0), (2, 1))
    opposed = owners_ceiling(np.stack([up, 2 * up, -up, -up]), np.array([True, False]))
    assert opposed["one_by_another"]["generated"]["spearman"]["mean"] == pytest.approx(-33.3)
    assert opposed["half_by_half"]["generated"]["spearman"]["mean"] == -100.0
    agreeing = owners_ceiling(np.stack([up, up, 2 * up, up + 1]), np.array([True, False]))
    assert agreeing["half_by_half"]["held_out"]["spearman"]["mean"] == 100.0


def test_pictures_of_a_sheet_keep_their_labels(tmp_path: Path) -> None:
    """Every picture is cut out whole, has its own label, and is a work or held out, not both."""
    down, across = 16, 20
    numbers = np.arange(down * across)
    colours = np.stack([numbers % 256, numbers // 256 * 100, 255 - numbers % 256], axis=1).astype(np.uint8)
    sheet = colours.reshape(down, across, 3).repeat(32, axis=0).repeat(32, axis=1)
    Image.fromarray(sheet).save(tmp_path / "test.webp", lossless=True)
    names = np.array([f"class {number}" for number in range(10)])
    np.savez(tmp_path / "labels.npz", test=(numbers % 10).astype(np.uint8), names=names)
    found = material("cifar", tmp_path)
    assert found.works.shape == (256, 16, 16, 3)
    number_of = {tuple(colour): number for number, colour in enumerate(colours.tolist())}
    pictures = [*found.works, *found.held_out]
    assert all((picture == picture[0, 0]).all() for picture in pictures)
    drawn = [number_of[tuple(picture[0, 0].tolist())] for picture in pictures]
    assert len(set(drawn)) == 256 + 48
    assert found.group_of_work == tuple(f"class {number % 10}" for number in drawn[:256])


def tiny_ground(stack: Stack) -> Ground:
    """Eight works, four queries of either kind, and losses that fall by what pixels resemble."""
    pixels = ((images() + 1) * 127.5).round().byte().movedim(1, -1).numpy()
    material = Material("tiny", pixels, pixels[:4], tuple("aabbccdd"), NETWORK, TRAINING)
    generator = np.random.default_rng(0)
    queries = (images() + 0.1 * torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(1))).clamp(-1, 1)
    near = -((queries.flatten(1)[:, None] - images().flatten(1)[None]) ** 2).mean(dim=2).double().numpy()
    halves, membership = random_halves(8, 8, 0), random_halves(8, 6, 1).T
    noise = 0.01 * generator.random((2, 8, 8))
    return Ground(
        material=material,
        queries=queries,
        generated=np.arange(8) < 4,
        membership=membership,
        member_loss=-(near @ membership),
        halves=halves,
        half_loss=-(near @ halves.T)[None] + noise,
        reference=stack,
    )


def test_a_comparison_without_peers(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every ranker and fusion is graded, pixel similarity well where it is the truth; without peers
    nothing is claimed.
    """
    monkeypatch.setattr("benchmarks.lds.rankers.VIEWS", 4)
    results = compare(tiny_ground(stack), tmp_path, False, None)
    assert results["held"] is False
    assert results["best_peer"] == {"generated": None, "held_out": None}
    assert results["lds"]["pixel-kernel/0.2"]["generated"]["lds"] > 60
    assert {"default", "gradients/8", "pixel-kernel + gradients, equal"} <= set(results["lds"])
    assert results["ceiling"]["generated"]["seed_against_seed"] > 90
    plot_lds(results, tmp_path / "plot.svg")
    assert (tmp_path / "plot.svg").stat().st_size > 1000


def test_both_rules_choose_for_both_kinds_of_image(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With and without gradients, in the ensemble and in smaller ones, each with its worth."""
    monkeypatch.setattr("benchmarks.lds.rankers.VIEWS", 4)
    monkeypatch.setattr("benchmarks.lds.choice.of_peers", lambda *_: ({}, {"ekfac": "not here"}))
    monkeypatch.setattr("benchmarks.lds.choice.SMALLER", 2)
    monkeypatch.setattr("benchmarks.lds.choice.FEWER_MEMBERS", 4)
    found = choices_on(tiny_ground(stack), tmp_path)
    assert set(found["pools"]) == {"with gradients", "without gradients"}
    for pool, base in (("with gradients", "gradients"), ("without gradients", "pixel-kernel")):
        facts = found["pools"][pool]
        assert set(facts["new"]) == {"generated", "held_out"}
        assert facts["smaller_ensembles"]["simplest"] == base
        for kind in ("generated", "held_out"):
            gap = facts["lds"][kind]["new_minus"]["old"]
            assert gap["interval"][0] <= gap["value"] <= gap["interval"][1]


def test_the_old_rule_is_that_of_the_standard_error_over_images() -> None:
    """Two members in the wrong order in every image: the old rule is sure, the new one is not."""
    generator = np.random.default_rng(3)
    right = np.arange(6.0) + 0.01 * generator.normal(size=(40, 6))
    right[0, :2] = right[0, 1::-1]
    swapped = right[:, [0, 1, 3, 2, 4, 5]]
    rankers = [SummedScores("gradients", (1.0,), swapped[None]), SummedScores("pixel-kernel", (1.0,), right[None])]
    loss = -np.tile(np.arange(6.0), (40, 1))
    assert [part.name for part in old_rule(rankers, loss)] != ["gradients"]
    assert [part.name for part in fit_fusion(rankers, loss).parts] == ["gradients"]


def test_the_study_of_gradients_grades_the_ranker_itself(stack: Stack) -> None:
    """Its first variant has the ranker's own scores, and every other one has others."""
    ground = tiny_ground(stack)
    study = Study(ground, ends=True, middle=True)
    ranker = Gradients(ReferenceModel(ground.reference.model(0).requires_grad_(True), "reference", SAMPLER, 5.0), VIEWS)
    works = Works(PixelRows(ground.material.works), np.arange(8), [])
    images = Images(ground.flat_queries(), (1, 8, 8))
    expected = dense_scores(ranker.prepare(images, works), 8)[-1]
    cosines = study.scores(VARIANTS[0])
    found = np.exp((2.0 * cosines - 2.0) / ranker.scales[-1])
    np.testing.assert_allclose(found / found.max(axis=1, keepdims=True), expected, atol=2e-3)
    for variant in VARIANTS[1:]:
        if variant.ends and variant.middle:
            assert np.abs(study.scores(variant) - cosines).max() > 1e-4
