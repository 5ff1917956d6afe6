"""LPIPS as a squared distance in a feature map, against the lpips package, and its first order.

The networks are untrained, which does not matter to the arithmetic; the results are not LPIPS, and
none leaves these tests.
"""

from __future__ import annotations

import warnings
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from attribution.ablation.exact import ablation_weights, counterfactuals
from attribution.ablation.influence import square_influences
from attribution.ablation.jacobian import sample_with_jacobian
from attribution.denoisers.ensemble import Ensemble
from attribution.metrics.lpips_weights import BACKBONES, LpipsWeights, Net
from attribution.metrics.perceptual import PerceptualDistance, fill, open_lpips, untrained_lpips
from attribution.metrics.torchvision_models import load_known_weights, torchvision_models
from attribution.sampling.noise import noise_batch
from attribution.sampling.schedule import SamplerSettings
from registry.errors import InputError, UsageError
from tests.support.networks import network_ensemble, seeded

CODES = np.array([[index in chosen for index in range(4)] for chosen in combinations(range(4), 2)])


def network_of(net: Net) -> nn.Module:
    """An untrained network under the real heads, in float64."""
    package, network = untrained_lpips(net)
    heads = load_known_weights(package / "weights" / "v0.1" / f"{net}.pth", BACKBONES[net].heads_sha256)
    network.load_state_dict(dict(heads), strict=False)
    return network.double()


@pytest.fixture(scope="module")
def squeeze() -> PerceptualDistance:
    """The smallest network."""
    torch.manual_seed(0)
    return PerceptualDistance(network_of("squeeze"))


@pytest.mark.parametrize("net", ["alex", "squeeze"])
def test_agrees_with_the_package(net: Net) -> None:
    """The distance in the feature map is lpips.LPIPS's, at its own size and enlarged."""
    network = network_of(net)
    metric = PerceptualDistance(network)
    first, *others = torch.rand((4, 3, 70, 64), generator=seeded(0), dtype=torch.float64) * 2 - 1
    with torch.no_grad():
        expected = network(first.expand(3, -1, -1, -1), torch.stack(others)).flatten()
    assert metric.distances(first, torch.stack(others)) == pytest.approx(expected, rel=1e-6)
    small = torch.rand((2, 3, 16, 16), generator=seeded(1), dtype=torch.float64) * 2 - 1
    large = nn.functional.interpolate(small, size=(64, 64), mode="bilinear", align_corners=False)
    with torch.no_grad():
        expected = network(large[:1], large[1:]).flatten()
    assert metric.distances(small[0], small[1:]) == pytest.approx(expected, rel=1e-6)


def test_grey_counts_as_three_equal_channels_and_nothing_else_is_measured(squeeze: PerceptualDistance) -> None:
    """An image has distance 0 from itself; two channels are no picture."""
    grey = torch.rand((3, 1, 16, 16), generator=seeded(2), dtype=torch.float64) * 2 - 1
    colour = grey.expand(-1, 3, -1, -1)
    assert torch.equal(squeeze.distances(grey[0], grey[1:]), squeeze.distances(colour[0], colour[1:]))
    assert squeeze.distances(grey[0], grey[:1]).tolist() == [0.0]
    assert squeeze.distances(grey[0], grey[:0]).shape == (0,)
    with pytest.raises(UsageError, match="2 channels"):
        squeeze.features(torch.zeros(1, 2, 16, 16))


def test_gram_is_that_of_central_differences(squeeze: PerceptualDistance) -> None:
    """J_phi along each member's column, by feature maps on either side."""
    y = torch.rand((3, 16, 16), generator=seeded(3), dtype=torch.float64) * 2 - 1
    jacobian = torch.randn((11, 3, 16, 16), generator=seeded(4), dtype=torch.float64)
    width = 1e-6
    columns = (squeeze.features(y + width * jacobian) - squeeze.features(y - width * jacobian)) / (2 * width)
    expected = columns @ columns.mT
    assert squeeze.gram(y, jacobian) == pytest.approx(expected, rel=1e-5, abs=1e-6 * float(expected.max()))


def test_a_dark_place_has_a_derivative() -> None:
    """Where every channel of a layer is off, its length is zero and must not become a NaN."""
    network = network_of("squeeze")
    with torch.no_grad():
        next(network.net.parameters()).zero_()  # type: ignore[union-attr]  # a module of the package
        network.net.slice1[0].bias.fill_(-1.0)  # type: ignore[union-attr, index]  # as above
    metric = PerceptualDistance(network)
    matrix = metric.gram(torch.zeros(3, 16, 16).double(), torch.ones(2, 3, 16, 16).double())
    assert torch.isfinite(matrix).all()


def test_influence_is_lpips_of_small_ablations(squeeze: PerceptualDistance) -> None:
    """For nearly equal members, c^T G_phi c / (n - h)^2 is LPIPS of the ablation, by unit."""
    members = network_ensemble(4, "conv").members

    def nearly_equal(own: int) -> object:
        return lambda x, t, labels: 0.9999 * members[0](x, t, labels) + 0.0001 * members[own](x, t, labels)

    ensemble = Ensemble([nearly_equal(own) for own in range(4)])  # type: ignore[misc]  # lambdas are denoisers
    settings = SamplerSettings("ddim", steps=4)
    noise = noise_batch([4], settings.draws, (3, 8, 8)).double()
    run = sample_with_jacobian(ensemble, noise, settings)
    exact = squeeze.distances(run.y[0], counterfactuals(ensemble, noise[0], settings, CODES)).numpy()
    matrix = squeeze.gram(run.y[0], run.jacobian[0])
    estimated = square_influences(matrix, CODES)
    assert estimated == pytest.approx(exact, rel=0.02)
    move = ablation_weights(CODES).numpy() - 0.25
    assert estimated == pytest.approx(np.einsum("ui,ij,uj->u", move, matrix.numpy(), move), rel=1e-10)


def test_a_file_of_weights_fills_every_weight(tmp_path: Path) -> None:
    """Two networks drawn differently are equal once filled; a wrong table is refused."""
    trunk = torchvision_models().squeezenet1_1(weights=None)
    path = tmp_path / "trunk.pth"
    torch.save(trunk.state_dict(), path)
    from registry.ids import sha256_of_file

    backbone = BACKBONES["squeeze"]
    known = LpipsWeights(type(backbone)("squeeze", "trunk.pth", sha256_of_file(path), 6, backbone.heads_sha256), path)
    images = torch.rand((3, 3, 64, 64), generator=seeded(5)) * 2 - 1
    state = torch.random.get_rng_state()
    torch.manual_seed(1)
    first = open_lpips(known).distances(images[0], images[1:])
    torch.manual_seed(2)
    second = open_lpips(known).distances(images[0], images[1:])
    torch.random.set_rng_state(state)
    assert torch.equal(first, second)
    assert (first > 0).all()
    _, network = untrained_lpips("squeeze")
    with pytest.raises(InputError, match="do not fit"):
        fill(network, {}, {})
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(InputError, match="another file, or damaged"):
        open_lpips(known)


def test_heads_that_are_no_distance_are_refused() -> None:
    """A negative weight would make some differences count as likeness."""
    network = network_of("squeeze")
    with torch.no_grad():
        network.lins[2].model[-1].weight[0, 0] = -1.0  # type: ignore[index, union-attr]  # a module of the package
    with pytest.raises(InputError, match="negative"):
        PerceptualDistance(network)


def test_making_a_network_leaves_the_random_state_alone() -> None:
    """The replaced weights are drawn aside, and the package's warnings are hidden."""
    before = torch.random.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        untrained_lpips("squeeze")
    assert torch.equal(torch.random.get_rng_state(), before)
