"""Forward-mode rules against PyTorch's own forward AD, by function and in whole networks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import jvp
from torch.nn import functional

from attribution.forward_ad import propagate
from registry.errors import UsageError
from tests.support.networks import UNetDenoiser, seeded

Network = Callable[[Tensor], Tensor]


def random(*shape: int) -> Tensor:
    """The same numbers in every run."""
    return torch.randn(shape, generator=seeded(sum(shape)), dtype=torch.float64)


KERNEL, MATRIX, GAIN, PLANE = random(6, 4, 3, 3), random(5, 6), random(4), random(2, 4, 1, 1)

FUNCTIONS: dict[str, Network] = {
    "convolution": lambda x: functional.conv2d(x, KERNEL, random(6), stride=2, padding=1),
    "convolution without bias": lambda x: torch.conv2d(x, KERNEL),
    "convolution of one image": lambda x: functional.conv2d(x[0], KERNEL),
    "convolution by an input": lambda x: functional.conv2d(x, x[:1, :, :3, :3]),
    "linear": lambda x: functional.linear(x, MATRIX, random(5)),
    "linear of one vector": lambda x: functional.linear(x[0, 0, 0], MATRIX),
    "group norm": lambda x: functional.group_norm(x, 2, GAIN, random(4)),
    "group norm of a sequence": lambda x: functional.group_norm(x.flatten(2).mT.reshape(2, 4, -1), 2, GAIN),
    "group norm without gain": lambda x: functional.group_norm(x, 2),
    "group norm with an input as gain": lambda x: functional.group_norm(x, 2, x[0, :, 0, 0]),
    "silu": functional.silu,
    "nearest": lambda x: functional.interpolate(x, scale_factor=2.0, mode="nearest"),
    "bilinear": lambda x: functional.interpolate(x, size=(9, 5), mode="bilinear"),
    "patches": lambda x: functional.pixel_shuffle(functional.silu(functional.pixel_unshuffle(x, 2)), 2),
    "patches of one image": lambda x: functional.pixel_unshuffle(x[0], 2),
    "sum with a constant": lambda x: 2 + (x + PLANE) + 1,
    "sum that broadcasts": lambda x: x[:1] + PLANE + x[:, :1],
    "sum with a factor": lambda x: torch.add(x, x.sin(), alpha=3),
    "difference": lambda x: 1 - x - x.cos(),
    "product with a constant": lambda x: 2 * (x * PLANE) * 1,
    "product that broadcasts": lambda x: x[:1, :1] * PLANE,
    "product of two": lambda x: x * x.exp(),
    "quotient": lambda x: (x / 3) / (x / 1 + 9),
    "join": lambda x: torch.cat([x, x.sin()], 1) + torch.cat([x, x.cos()], -3),
    "join with a constant": lambda x: torch.cat([x, PLANE.expand(2, 4, 6, 6)], dim=1),
    "two outputs": lambda x: torch.chunk(x.sin(), 2, dim=1)[1],
    "largest": lambda x: torch.max(x, dim=1)[0],
    "softmax of a product": lambda x: torch.softmax(torch.einsum("bchw,bdhw->bcd", x, x), -1),
    "attention": lambda x: functional.scaled_dot_product_attention(x, x.sin(), x),
    "shape": lambda x: x.reshape(len(x), -1, x.shape[-1]).to(x.dtype) * x.numel(),
    "dropout when not training": lambda x: functional.dropout(x, 0.5, training=False),
    "cut off": lambda x: x.detach() + x.round(),
    "constant": lambda x: PLANE + x.shape[0],
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_agrees_with_forward_ad(name: str) -> None:
    """Value and tangents of a rule, or of the fallback, are those of torch.func.jvp."""
    x, tangents = random(2, 4, 6, 6), random(3, 2, 4, 6, 6)
    value, moved = propagate(FUNCTIONS[name], x, tangents)
    # One direction at a time, as the reference is not batched.
    with nn.attention.sdpa_kernel(nn.attention.SDPBackend.MATH):
        expected = torch.stack([jvp(FUNCTIONS[name], (x,), (tangent,))[1] for tangent in tangents])
    assert type(value) is type(moved) is Tensor
    assert value == pytest.approx(FUNCTIONS[name](x), abs=1e-12)
    assert moved == pytest.approx(expected, abs=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("attention", [False, True])
def test_a_unet_agrees_with_central_differences(attention: bool) -> None:
    """UNets of members, with and without attention, in float64."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = UNetDenoiser(attention=attention).double().requires_grad_(False)
    t = torch.tensor([500, 20])
    x, tangents, width = random(2, 3, 8, 8), random(4, 2, 3, 8, 8), 1e-5
    value, moved = propagate(lambda x: network(x, t), x, tangents)
    expected = torch.stack([network(x + width * X, t) - network(x - width * X, t) for X in tangents]) / (2 * width)
    assert value == pytest.approx(network(x, t), abs=1e-12)
    assert torch.linalg.vector_norm(moved - expected) <= 1e-8 * torch.linalg.vector_norm(expected)


@pytest.mark.parametrize("at_once", [1, 2, 3, 7])
def test_tangents_in_parts_are_the_tangents(at_once: int) -> None:
    """Also where the last part is smaller, and where all fit into one."""
    x, directions = random(2, 4, 6, 6), random(3, 2, 4, 6, 6)
    whole = propagate(FUNCTIONS["attention"], x, directions)
    parts = propagate(FUNCTIONS["attention"], x, directions, at_once)
    torch.testing.assert_close(parts, whole)


@pytest.mark.parametrize(
    "network",
    [
        lambda x: x.sin().add_(1),
        lambda x: functional.silu(x * 2, inplace=True),
        lambda x: functional.relu(x * 2, inplace=True),
    ],
)
def test_changing_a_tensor_in_place_is_refused(network: Network) -> None:
    """In-place changes would lose tangents silently: the error names the function."""
    with pytest.raises(UsageError, match=r"in place \(\w+"):
        propagate(network, random(2, 4, 6, 6), random(3, 2, 4, 6, 6))
