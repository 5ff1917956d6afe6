"""LPIPS's feature map, projected: near stays near, and its ranker ranks as LPIPS does.

The network is untrained, which does not matter to the arithmetic; the results are not LPIPS, and
none leaves these tests.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from attribution.metrics.lpips_weights import BACKBONES
from attribution.metrics.perceptual import PerceptualDistance, untrained_lpips
from attribution.metrics.torchvision_models import torchvision_models
from attribution.ranking.rankers.catalogue import RankerInputs, make_ranker
from attribution.ranking.rankers.embeddings import LPIPS_WIDTH, LpipsEmbedding
from attribution.ranking.rankers.feature_kernel import FeatureKernel, embedded
from attribution.ranking.rankers.interface import ArrayRows, Images, Works, dense_scores
from attribution.sampling.schedule import SamplerSettings
from registry.errors import InputError
from registry.ids import sha256_of_file

SHAPE = (3, 16, 16)


@pytest.fixture(scope="module")
def distance() -> PerceptualDistance:
    """The smallest network, under positive heads."""
    torch.manual_seed(0)
    network = untrained_lpips("squeeze")[1]
    for name, value in network.named_parameters():
        if name.startswith("lin"):
            torch.nn.init.uniform_(value)
    return PerceptualDistance(network)


def pictures(count: int) -> np.ndarray:
    """Pictures in four colours that change a little from one to the next."""
    generator = np.random.default_rng(0)
    colours = generator.random((2, 3, 4, 4), dtype=np.float32).repeat(4, axis=2).repeat(4, axis=3)
    share = np.linspace(0, 1, count, dtype=np.float32)[:, None, None, None]
    noise = generator.normal(scale=0.02, size=(count, *SHAPE)).astype(np.float32)
    return np.asarray(np.clip((1 - share) * colours[0] + share * colours[1] + noise, 0, 1))


def test_projected_distances_are_those_of_the_map(distance: PerceptualDistance) -> None:
    """Within a few per cent of distances between the maps' directions, in every process."""
    shown = pictures(24)
    found = embedded(LpipsEmbedding(distance, {"net": "untrained"}), shown)
    assert found.shape == (24, LPIPS_WIDTH)
    features = distance.features(torch.from_numpy(shown) * 2 - 1).numpy()
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    left, right = np.triu_indices(24, 1)
    expected = ((features[left] - features[right]) ** 2).sum(axis=1)
    projected = ((found[left] - found[right]) ** 2).sum(axis=1)
    assert np.median(np.abs(projected / expected - 1)) < 0.05
    np.testing.assert_array_equal(found, embedded(LpipsEmbedding(distance, {"net": "untrained"}), shown))


def test_the_ranker_orders_works_as_lpips_does(distance: PerceptualDistance) -> None:
    """By the distances of the package itself; the settings name the weights."""
    shown = pictures(40)
    values = np.moveaxis(shown, 1, -1).reshape(40, -1)
    works = Works(ArrayRows(values), np.arange(40), [f"{number:064x}" for number in range(40)])
    ranker = FeatureKernel(LpipsEmbedding(distance, {"net": "untrained"}))
    images = Images(shown[:3].reshape(3, -1), SHAPE)
    scores = dense_scores(ranker.prepare(images, works), 40)[-1]
    for row in range(3):
        y, *others = torch.from_numpy(shown[[row, *range(40)]]) * 2 - 1
        lpips = distance.distances(y, torch.stack(others)).numpy()
        assert stats.spearmanr(scores[row], -lpips).statistic > 0.97
    other = LpipsEmbedding(distance, {"net": "another"})
    assert ranker.settings() != FeatureKernel(other).settings()


def test_the_catalogue_opens_it_by_the_file_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file with a known network's hash; others are refused."""
    torch.manual_seed(0)
    path = tmp_path / "squeezenet.pth"
    torch.save(torchvision_models().squeezenet1_1(weights=None).state_dict(), path)
    monkeypatch.setenv("CREDITLINE_LPIPS_WEIGHTS", str(path))
    needs = RankerInputs(SamplerSettings())
    with pytest.raises(InputError, match="no weights that LPIPS was fitted to"):
        make_ranker("lpips", needs)
    known = replace(BACKBONES["squeeze"], sha256=sha256_of_file(path))
    monkeypatch.setitem(BACKBONES, "squeeze", known)
    ranker = make_ranker("lpips", needs)
    assert ranker.name == "lpips"
    assert isinstance(ranker, FeatureKernel)
    assert embedded(ranker.embedding, pictures(3)).shape == (3, LPIPS_WIDTH)
