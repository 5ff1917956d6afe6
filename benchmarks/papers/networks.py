"""The members of the experiments: perceptrons so small that sixteen train side by side on one core.

A convolutional UNet of the product costs one core about ten times as much per step and far more per
sample at these sizes, and the experiments need tens of thousands of regenerated images. The
measured things (codes, ablation, Jacobians, evidence) do not depend on a member's network:
:mod:`attribution` takes any function eps = f(x, t).

A member's layers F predict the clean image, and the noise follows, so that the layers need not
carry noise through:

    eps = x_t / sqrt(1 - alpha_bar) - F(x' / sqrt(sigma^2 + s^2), t) / sigma,
    x' = x_t / sqrt(alpha_bar)

with sigma^2 = (1 - alpha_bar) / alpha_bar, and s the standard deviation of the data (the scaling in
of Karras et al. 2022).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from attribution.denoisers.schedule import alpha_bars
from attribution.sampling.schedule import SamplerSettings

TIME_FEATURES = 32
SPREAD = 0.5
"""Standard deviation of the data in [-1, 1], roughly."""
ALPHA_BAR = torch.from_numpy(alpha_bars(SamplerSettings()))


@dataclass(frozen=True)
class Shape:
    """Sizes of one perceptron: an input layer, residual blocks of two layers, an output layer."""

    values: int
    width: int = 160
    blocks: int = 2

    def weights(self) -> dict[str, tuple[int, int]]:
        """Name and (inputs, outputs) of every layer; each has a bias beside it."""
        layers = {"into": (self.values, self.width), "time": (TIME_FEATURES, TIME_FEATURES)}
        for block in range(self.blocks):
            layers[f"first{block}"] = (self.width, self.width)
            layers[f"when{block}"] = (TIME_FEATURES, self.width)
            layers[f"second{block}"] = (self.width, self.width)
        return {**layers, "out": (self.width, self.values)}

    @property
    def weight_count(self) -> int:
        return sum((inputs + 1) * outputs for inputs, outputs in self.weights().values())


def new_stack(shape: Shape, n: int, seed: int, common: bool) -> dict[str, Tensor]:
    """Initial weights of n perceptrons with a leading member axis; ``common``: equal for all."""
    generator = torch.Generator().manual_seed(seed)
    stack: dict[str, Tensor] = {}
    for name, (inputs, outputs) in shape.weights().items():
        gain = {"out": 0.01}.get(name, 0.5 if name.startswith("second") else 1.0)
        drawn = torch.randn(1 if common else n, inputs, outputs, generator=generator) * (gain / math.sqrt(inputs))
        stack[name] = drawn.expand(n, inputs, outputs).clone()
        stack[f"{name}.bias"] = torch.zeros(n, 1, outputs)
    return stack


def time_features(t: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch feature"]:
    """Sines and cosines of the timestep at frequencies from 1 down to 1/1000."""
    half = TIME_FEATURES // 2
    angle = t[..., None] * torch.exp(-math.log(1000.0) * torch.arange(half, device=t.device) / half)
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def scales(t: Int[Tensor, "*batch"], dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Factors of x_t at the input, of x_t past the network, and of F."""
    alpha_bar = ALPHA_BAR.to(t.device)[t][..., None]
    variance = (1.0 - alpha_bar) / alpha_bar
    into = (alpha_bar * (variance + SPREAD**2)).rsqrt()
    past = (1.0 - alpha_bar).rsqrt()
    return into.to(dtype), past.to(dtype), (-variance.rsqrt()).to(dtype)


def stacked_eps(
    stack: dict[str, Tensor], shape: Shape, x: Float[Tensor, "member batch value"], t: Int[Tensor, "member batch"]
) -> Float[Tensor, "member batch value"]:
    """Every member's prediction on its own batch."""

    def layer(name: str, value: Tensor) -> Tensor:
        return torch.baddbmm(stack[f"{name}.bias"], value, stack[name])

    into, past, out = scales(t, x.dtype)
    hidden = layer("into", x * into)
    when = functional.silu(layer("time", time_features(t)))
    for block in range(shape.blocks):
        inner = functional.silu(layer(f"first{block}", hidden) + layer(f"when{block}", when))
        hidden = hidden + layer(f"second{block}", inner)
    return x * past + layer("out", functional.silu(hidden)) * out


class Perceptron(nn.Module):
    """One member of a stack, as a denoiser of :mod:`attribution.denoisers.ensemble`."""

    def __init__(self, stack: dict[str, Tensor], shape: Shape, index: int) -> None:
        super().__init__()
        self.shape = shape
        self.layers = nn.ModuleDict()
        for name, (inputs, outputs) in shape.weights().items():
            linear = nn.Linear(inputs, outputs)
            linear.weight = nn.Parameter(stack[name][index].detach().T.contiguous(), requires_grad=False)
            linear.bias = nn.Parameter(stack[f"{name}.bias"][index, 0].detach().clone(), requires_grad=False)
            self.layers[name] = linear
        self.eval()

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:  # noqa: ARG002  # unconditional
        layer = self.layers
        into, past, out = scales(t, x.dtype)
        rows = x.flatten(1)
        hidden = layer["into"](rows * into)
        when = functional.silu(layer["time"](time_features(t).to(x.dtype)))
        for block in range(self.shape.blocks):
            inner = functional.silu(layer[f"first{block}"](hidden) + layer[f"when{block}"](when))
            hidden = hidden + layer[f"second{block}"](inner)
        eps: Tensor = rows * past + layer["out"](functional.silu(hidden)) * out
        return eps.reshape(x.shape)
