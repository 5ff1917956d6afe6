"""Influence from the Gram matrix, synthetic ablation and distances."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from attribution.ablation.exact import counterfactuals
from attribution.ablation.influence import Radius, counterfactual_radius, gram, influences, synthetic_ablation
from attribution.ablation.jacobian import sample_with_jacobian
from attribution.denoisers.ensemble import Ensemble
from attribution.denoisers.space import Denoiser
from attribution.metrics.euclidean import NotMeasured, euclidean, euclidean_scale
from attribution.sampling.noise import noise_batch
from attribution.sampling.schedule import SamplerSettings
from registry.errors import CapacityError, UsageError
from tests.support.networks import LinearDenoiser, network_ensemble, seeded

CODES = np.array([[index in chosen for index in range(6)] for chosen in combinations(range(6), 3)])


def test_influence_is_the_length_of_the_synthetic_ablation() -> None:
    """c^T G c is the squared distance from y to y + J (u_-x - u0), however units are split."""
    jacobian = torch.randn((2, 6, 3, 4, 4), generator=seeded(0), dtype=torch.float64)
    y = torch.randn((2, 3, 4, 4), generator=seeded(1), dtype=torch.float64)
    for row, matrix in enumerate(gram(jacobian)):
        estimates = synthetic_ablation(y[row], jacobian[row], CODES)
        expected = euclidean(estimates, y[row]).numpy()
        assert influences(matrix, CODES, 48) == pytest.approx(expected, rel=1e-10)
        assert influences(matrix, CODES, 48, at_once=7) == pytest.approx(expected, rel=1e-10)


def test_influence_follows_the_formula_of_the_design() -> None:
    """c^T G c / (n - h)^2 with c = b - h/n."""
    matrix = gram(torch.randn((1, 6, 1, 3, 3), generator=seeded(2)))[0]
    centred = CODES - 3 / 6
    expected = np.sqrt(np.einsum("ui,ij,uj->u", centred, matrix.numpy(), centred)) / 3 * euclidean_scale(9)
    assert influences(matrix, CODES, 9) == pytest.approx(expected, rel=1e-10)


def test_synthetic_ablation_is_exact_where_the_sample_is_linear_in_the_weights() -> None:
    """Members of one slope and different offsets: the estimate is the real counterfactual."""
    offsets = torch.randn((6, 2, 4, 4), generator=seeded(1), dtype=torch.float64)
    ensemble = Ensemble([LinearDenoiser(0.4, offset) for offset in offsets])
    settings = SamplerSettings(steps=5, clip=False)
    noise = noise_batch([4], settings.draws, (2, 4, 4)).double()
    result = sample_with_jacobian(ensemble, noise, settings)
    exact = counterfactuals(ensemble, noise[0], settings, CODES)
    assert synthetic_ablation(result.y[0], result.jacobian[0], CODES) == pytest.approx(exact, abs=1e-10)
    estimated = influences(gram(result.jacobian)[0], CODES, 32)
    assert estimated == pytest.approx(euclidean(exact, result.y[0]).numpy(), rel=1e-8)


def shrunk_towards(share: float, common: Denoiser, own: Denoiser) -> Denoiser:
    """A denoiser that is mostly the common one."""
    return lambda x, t, labels: share * common(x, t, labels) + (1 - share) * own(x, t, labels)


def test_estimated_influence_ranks_units_as_ablation_does() -> None:
    """E10 in the small: for similar members, the first order ranks units as ablation does."""
    members = network_ensemble(6, "conv").members
    settings = SamplerSettings("ddim", steps=5)
    noise = noise_batch([4], settings.draws, (3, 8, 8)).double()
    ensemble = Ensemble([shrunk_towards(0.999, members[0], member) for member in members])
    result = sample_with_jacobian(ensemble, noise, settings)
    exact = euclidean(counterfactuals(ensemble, noise[0], settings, CODES), result.y[0]).numpy()
    estimated = influences(gram(result.jacobian)[0], CODES, 192)
    assert np.corrcoef(exact, estimated)[0, 1] > 0.99
    assert counterfactual_radius(estimated).distance == pytest.approx(counterfactual_radius(exact).distance, rel=0.01)


def test_units_with_opposite_codes_have_the_same_estimate() -> None:
    """At h = n/2 a code and its complement move the weights by opposite steps of one length."""
    matrix = gram(torch.randn((1, 6, 1, 3, 3), generator=seeded(2)))[0]
    assert influences(matrix, ~CODES, 9) == pytest.approx(influences(matrix, CODES, 9), rel=1e-10)


def test_a_direction_that_moves_nothing_has_no_influence() -> None:
    """Equal members: every influence is zero, not the root of a negative rounding error."""
    matrix = gram(torch.randn((1, 1, 3, 4, 4), generator=seeded(3)).expand(1, 6, 3, 4, 4))[0]
    assert influences(matrix, CODES, 48) == pytest.approx(np.zeros(len(CODES)), abs=1e-5)


def test_the_radius_is_the_largest_influence_and_its_first_unit() -> None:
    """Ties go to the lower number, so that the answer is stable; no units have no radius."""
    assert counterfactual_radius(np.array([1.0, 3.0, 3.0, 2.0])) == Radius(3.0, 1)
    assert counterfactual_radius(np.zeros(2)) == Radius(0.0, 0)
    with pytest.raises(UsageError, match="at least one unit"):
        counterfactual_radius(np.zeros(0))


def test_units_that_do_not_fit_the_ensemble_are_refused() -> None:
    """A code of another length, or a code that every member saw."""
    matrix = torch.eye(6, dtype=torch.float64)
    with pytest.raises(UsageError, match="6 members"):
        influences(matrix, CODES[:, :5], 48)
    with pytest.raises(CapacityError):
        influences(matrix, np.ones((1, 6), dtype=np.bool_), 48)
    assert influences(matrix, CODES[:0], 48).shape == (0,)


@pytest.mark.parametrize("side", [1, 16, 256])
def test_distances_of_different_sizes_compare(side: int) -> None:
    """ABC's scale: black to white is sqrt(256 * 256 * 3) at any size; to mid grey, half."""
    black = -torch.ones(2, 3, side, side)
    assert euclidean(black, -black).tolist() == pytest.approx([443.405] * 2, abs=1e-3)
    assert euclidean(black[0], torch.zeros(5, 3, side, side)).tolist() == pytest.approx([221.7025] * 5, abs=1e-3)


def test_what_was_not_measured_keeps_its_reason() -> None:
    """The stored form is that of an audit's row."""
    assert NotMeasured("no Jacobian for images").to_json() == {"not_measured": "no Jacobian for images"}
