"""The gradient kernel: blind, a function of its inputs, and near brute force."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from attribution.denoisers.pixels import PixelUNet
from attribution.ranking.rankers.gradients.curvature import Factors
from attribution.ranking.rankers.gradients.noised_views import NoisedViews
from attribution.ranking.rankers.gradients.whitened import BANDWIDTHS, DAMPING, Gradients, projections
from attribution.ranking.rankers.interface import Images, PixelRows, Works, dense_scores
from attribution.sampling.schedule import SamplerSettings
from attribution.training.reference_model import ReferenceModel

SHAPE = (1, 8, 8)
VIEWS = 6


@pytest.fixture(scope="module")
def works() -> Works:
    """A dozen little pictures."""
    pixels = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), dtype=np.uint8)
    return Works(PixelRows(pixels), np.arange(12), [f"{number:064x}" for number in range(12)])


def ranker() -> Gradients:
    """The ranker over a small untrained network, which has gradients too."""
    network = PixelUNet(size=8, channels=1, widths=(8,), groups=4, patch=4)
    return Gradients(ReferenceModel(network.new_member(3), "of-no-weights", SamplerSettings(), 5.0), VIEWS)


def images_of(works: Works, rows: slice) -> Images:
    """Works as if generated; in one channel, pixel by pixel is channel by channel."""
    return Images(works.pixels.take(rows), SHAPE)


def test_a_copy_is_ranked_first_and_scores_are_those_of_the_definition(works: Works) -> None:
    """exp(-||f - g||^2 / tau) by autograd: 2 convolutions, 2 bands, centred, of one length."""
    made = ranker()
    scores = dense_scores(made.prepare(images_of(works, slice(2, 5)), works), len(works))
    assert scores.argmax(axis=2).tolist() == [[2, 3, 4]] * len(BANDWIDTHS)
    views = NoisedViews.middle(VIEWS, SamplerSettings(), 5.0, SHAPE)
    reference, layers = made.gradients.network, made.gradients.recorder.layers
    assert list(layers) == ["network.conv_in", "network.conv_out"]
    parts: dict[tuple[str, int], list[torch.Tensor]] = {}
    for picture in torch.from_numpy(works.pixels.take(slice(0, 12))).reshape(-1, *SHAPE) * 2 - 1:
        for band, of_band in enumerate((slice(0, 3), slice(3, 6))):
            reference.zero_grad()
            eps = reference(views.of(picture[None]), views.timesteps)
            errors = (eps - views.noise).square().mean(dim=(1, 2, 3)) * views.weight
            errors[of_band].sum().backward()
            for name, layer in layers.items():
                weight, bias = layer.get_parameter("weight").grad, layer.get_parameter("bias").grad
                assert weight is not None
                assert bias is not None
                whole = torch.cat([weight.flatten(1), bias[:, None]], dim=1)
                factors = made.gradients.factors[name]
                curvature = factors.curvature + DAMPING * factors.curvature.mean()
                rotated = factors.outputs.T @ whole @ factors.inputs
                parts.setdefault((name, band), []).append((rotated / curvature.sqrt()).flatten())
    features = []
    for gradients in parts.values():
        centred = torch.stack(gradients) - torch.stack(gradients).mean(dim=0)
        features.append(centred / centred.norm(dim=1, keepdim=True) / 2.0)
    stacked = torch.cat(features, dim=1).numpy()
    squared = ((stacked[2:5, None] - stacked[None]) ** 2).sum(axis=2)
    np.testing.assert_allclose(scores[2], np.exp(-squared / BANDWIDTHS[2]), atol=5e-3)


def test_views_are_where_pictures_are_decided() -> None:
    """Spread over those timesteps, or over a schedule without such timesteps."""
    level = NoisedViews.middle(VIEWS, SamplerSettings(), 5.0, SHAPE).signal.sqrt()
    assert level.min() > 0.1
    assert level.max() <= 0.95
    assert level.max() - level.min() > 0.6
    clear = SamplerSettings(train_steps=100, steps=10, beta_end=1e-4)
    assert len(NoisedViews.middle(VIEWS, clear, 5.0, SHAPE)) == VIEWS


def test_scores_do_not_depend_on_the_other_images(works: Works) -> None:
    """An image ranked alone or among others has the same scores."""
    made = ranker()
    together = dense_scores(made.prepare(images_of(works, slice(0, 8)), works), len(works))
    alone = dense_scores(made.prepare(images_of(works, slice(7, 8)), works), len(works))
    np.testing.assert_allclose(together[:, 7], alone[:, 0], atol=1e-4)


def test_gradients_of_works_are_kept(works: Works, tmp_path: Path) -> None:
    """They are read back for the same works and model, and give the same scores."""
    kept = Works(works.pixels, works.asset_ids, works.hashes, tmp_path)
    first = dense_scores(ranker().prepare(images_of(works, slice(0, 2)), kept), len(works))
    (path,) = tmp_path.iterdir()
    written = path.stat().st_mtime_ns
    again = dense_scores(ranker().prepare(images_of(works, slice(0, 2)), kept), len(works))
    assert path.stat().st_mtime_ns == written
    np.testing.assert_allclose(first, again)


def test_projections_keep_inner_products_on_average() -> None:
    """Random signs from both sides: unbiased, and few enough numbers."""
    torch.manual_seed(0)
    sizes = {"wide": (40, 60), "small": (30, 20)}
    factors = {name: Factors(torch.eye(a), torch.eye(o), torch.ones(o, a)) for name, (o, a) in sizes.items()}
    assert projections(factors, 3000) == ({}, 3000)
    signs, width = projections(factors, 1000)
    assert width <= 1000
    left, right = torch.randn(200, 40, 60), torch.randn(200, 40, 60)
    right += left
    outside, inside = signs["wide"]
    short = [torch.einsum("ko,boa,al->bkl", outside, value, inside).flatten(1) for value in (left, right)]
    exact, found = (left * right).sum(dim=(1, 2)), (short[0] * short[1]).sum(dim=1)
    assert float((found / exact).mean()) == pytest.approx(1.0, abs=0.05)
