"""Per-example gradients and EK-FAC against brute force."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from attribution.ranking.rankers.gradients.curvature import LayerGradients, fitted_factors


class Small(nn.Module):
    """A convolution with stride, a nonlinearity, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 3, 3, stride=2, padding=1)
        self.last = nn.Linear(12, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.last(torch.tanh(self.first(x)).flatten(1))
        return output


def small() -> tuple[Small, Tensor]:
    """The network in double precision, and examples."""
    torch.manual_seed(0)
    return Small().double(), torch.randn(5, 2, 4, 4, dtype=torch.float64)


def test_pairs_give_each_examples_gradient() -> None:
    """Sums of outer products are autograd's gradients of each example, biases last."""
    network, x = small()
    recorder = LayerGradients(network)
    with recorder.recording():
        network(x).square().sum().backward()
        found = {name: torch.einsum("bpo,bpa->boa", returned, inputs) for name, inputs, returned in recorder.pairs()}
    bias_of = network.first.bias
    assert bias_of is not None
    for row in range(len(x)):
        network.zero_grad()
        network(x[row : row + 1]).square().sum().backward()
        weight, bias = network.first.weight.grad, bias_of.grad
        assert weight is not None
        assert bias is not None
        torch.testing.assert_close(found["first"][row], torch.cat([weight.flatten(1), bias[:, None]], dim=1))
        torch.testing.assert_close(found["last"][row], network.last.weight.grad)


def test_ends_are_the_first_and_the_last_convolution() -> None:
    """Linear layers are left out beside convolutions, and taken without convolutions."""
    network = nn.Sequential(
        nn.Linear(2, 2), nn.Conv2d(1, 2, 1), nn.Conv2d(2, 2, 1), nn.Conv2d(2, 1, 1), nn.Linear(2, 2)
    )
    assert list(LayerGradients(network, ends=True).layers) == ["1", "3"]
    assert list(LayerGradients(nn.Sequential(*[nn.Linear(2, 2) for _ in range(3)]), ends=True).layers) == ["0", "2"]
    assert list(LayerGradients(nn.Linear(2, 2), ends=True).layers) == [""]


def test_frozen_layers_are_not_recorded() -> None:
    """Of adapters on a frozen base every trained layer counts, ends or not, and no layer of it."""
    network = nn.Sequential(*[nn.Linear(2, 2) for _ in range(5)])
    for place in (0, 2, 4):
        network[place].requires_grad_(False)
    for ends in (True, False):
        assert list(LayerGradients(network, ends=ends).layers) == ["1", "3"]
    recorder = LayerGradients(network, ends=True)
    with recorder.recording():
        network(torch.ones(3, 2)).sum().backward()
        assert [name for name, _, _ in recorder.pairs()] == ["1", "3"]


def test_nothing_is_recorded_outside() -> None:
    """A network that was recorded is left without hooks."""
    network, x = small()
    recorder = LayerGradients(network)
    with recorder.recording():
        network(x).sum().backward()
    network(x).sum().backward()
    assert not list(recorder.pairs())


def test_curvature_of_one_linear_layer_is_exact() -> None:
    """For independent inputs and gradients, EK-FAC is the Fisher matrix: unit covariance."""
    torch.manual_seed(1)
    layer = nn.Linear(3, 2, bias=False).double()
    mix_inputs, mix_outputs = torch.randn(3, 3).double(), torch.randn(2, 2).double()
    x = torch.randn(20_000, 3, dtype=torch.float64) @ mix_inputs
    drawn = torch.randn(20_000, 2, dtype=torch.float64) @ mix_outputs
    recorder = LayerGradients(layer)

    def passes() -> Iterator[None]:
        layer.zero_grad()
        (layer(x) * drawn).sum().backward()
        yield None

    factors = fitted_factors(recorder, passes)[""]
    gradients = torch.einsum("bo,ba->boa", drawn, x)
    whitened = factors.whitened(gradients, damping=0.0).flatten(1)
    covariance = whitened.T @ whitened / len(whitened)
    torch.testing.assert_close(covariance, torch.eye(6, dtype=torch.float64), atol=0.05, rtol=0.0)


def test_curvature_does_not_depend_on_how_examples_are_grouped() -> None:
    """One pass over all examples, or several over parts, give the same factors."""
    network, x = small()
    drawn = torch.randn(5, 4, dtype=torch.float64)
    found = []
    for size in (5, 2):

        def passes(size: int = size) -> Iterator[None]:
            for inputs, weights in zip(torch.split(x, size), torch.split(drawn, size), strict=True):
                network.zero_grad()
                (network(inputs) * weights).sum().backward()
                yield None

        found.append(fitted_factors(LayerGradients(network), passes))
    for name in ("first", "last"):
        torch.testing.assert_close(found[0][name].curvature, found[1][name].curvature)
