"""LoRA layers: which modules have one, their start, and many adapters as one batched product.

An adapter adds to a module's output (Hu et al. 2021)

    scale B A x,    A: rank x in,  B: out x rank,  scale = alpha / rank

For a convolution, A is a convolution of the module's kernel and stride to ``rank`` channels, and B
one of kernel 1, as in peft. The adapters of n members are stacked, A: n x rank x in and B: n x out
x rank, and one product over the batch serves rows of different members.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from registry.errors import UsageError

Target = Literal["attention", "attention+conv"]
"""The modules with an adapter: the projections of the attention layers, or these and the
convolutions of all blocks with the projections around the attention layers."""

ATTENTION = ("to_k", "to_out.0", "to_q", "to_v")
ENDINGS: Mapping[Target, tuple[str, ...]] = {
    "attention": ATTENTION,
    "attention+conv": ("conv", "conv1", "conv2", "conv_shortcut", "proj_in", "proj_out", *ATTENTION),
}
"""Last parts of the modules' names, which peft calls ``target_modules``."""

Layer = nn.Linear | nn.Conv2d


def layers_of(network: nn.Module, target: Target) -> dict[str, Layer]:
    """The modules that a target names, by name, in order of name.

    Raises:
        UsageError: there is none, or one of a kind that no adapter fits.
    """
    found: dict[str, Layer] = {}
    for name, module in sorted(network.named_modules()):
        if not any(name == ending or name.endswith(f".{ending}") for ending in ENDINGS[target]):
            continue
        if not isinstance(module, nn.Linear) and not (
            isinstance(module, nn.Conv2d) and module.groups == 1 and module.padding_mode == "zeros"
        ):
            raise UsageError(
                f"the base's {name} is a {type(module).__name__}: adapters fit linear layers and plain convolutions"
            )
        found[name] = module
    if not found:
        raise UsageError(f"the base has no module that the target {target!r} names: {', '.join(ENDINGS[target])}")
    return found


def adapter_shapes(layer: Layer, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes of A and B, as peft stores them."""
    if isinstance(layer, nn.Linear):
        return (rank, layer.in_features), (layer.out_features, rank)
    return (rank, layer.in_channels, *layer.kernel_size), (layer.out_channels, rank, 1, 1)


def adapter_start(layer: Layer, rank: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A and B before training: A uniform within 1 / sqrt(inputs), B zero, as in peft."""
    down, up = adapter_shapes(layer, rank)
    bound = 1.0 / math.sqrt(math.prod(down[1:]))
    return torch.empty(down).uniform_(-bound, bound, generator=generator), torch.zeros(up)


@dataclass(frozen=True)
class AdapterStack:
    """The adapters of some members on the same modules.

    ``down`` and ``up`` have, by module, A and B of all members, one more dimension in front.
    """

    down: Mapping[str, Float[Tensor, "member rank ..."]]
    up: Mapping[str, Float[Tensor, "member out rank ..."]]
    scale: float

    @classmethod
    def of(cls, adapters: Sequence[tuple[Mapping[str, Tensor], Mapping[str, Tensor]]], scale: float) -> AdapterStack:
        """Stack the (A by module, B by module) of members."""
        names = adapters[0][0]
        return cls(
            {name: torch.stack([down[name] for down, _ in adapters]) for name in names},
            {name: torch.stack([up[name] for _, up in adapters]) for name in names},
            scale,
        )

    @property
    def n(self) -> int:
        return len(next(iter(self.down.values())))

    def delta(
        self, name: str, layer: Layer, x: Float[Tensor, "batch ..."], members: Int[Tensor, " batch"] | None
    ) -> Float[Tensor, "batch ..."]:
        """What the adapters add to a module's output; row k is of the adapter ``members[k]``.

        ``members`` None: every adapter has the same number of rows, one adapter after the other.
        """
        down, up = self.down[name], self.up[name]
        if self.n == 1:
            return _alone(layer, x, down[0], up[0], self.scale)
        if members is None:
            return _in_blocks(layer, x, down, up, self.scale)
        down, up = down[members], up[members]
        if isinstance(layer, nn.Linear):
            rows = x.flatten(1, -2) if x.ndim > 2 else x[:, None]
            moved = torch.bmm(self.scale * torch.bmm(rows, down.mT), up.mT)
            return moved.reshape(*x.shape[:-1], layer.out_features)
        # One group of channels per row lets every row have its own kernel.
        hidden = functional.conv2d(
            x.flatten(0, 1)[None],
            down.flatten(0, 1),
            stride=layer.stride,
            padding=layer.padding,
            dilation=layer.dilation,
            groups=len(x),
        )
        flat = self.scale * hidden.reshape(len(x), down.shape[1], -1)
        return torch.bmm(up.flatten(2), flat).reshape(len(x), -1, *hidden.shape[2:])


@dataclass(frozen=True)
class AdapterLayers:
    """One adapter as layers of its own: a ranker can watch their inputs and gradients."""

    down: Mapping[str, Layer]
    up: Mapping[str, Layer]
    scale: float

    def delta(self, name: str, layer: Layer, x: Tensor, members: Tensor | None) -> Tensor:  # noqa: ARG002  # as of a stack
        """What the adapter adds to a module's output."""
        hidden: Tensor = self.down[name](x)
        added: Tensor = self.up[name](hidden if self.scale == 1.0 else hidden * self.scale)
        return added


def adapter_layers(layer: Layer, down: Tensor, up: Tensor) -> tuple[Layer, Layer]:
    """A and B of a module as layers that hold these weights."""
    if isinstance(layer, nn.Linear):
        # On the device meta no weights are drawn, so the caller's random state stays as it is.
        first: Layer = nn.Linear(layer.in_features, len(down), bias=False, device="meta")
        second: Layer = nn.Linear(len(down), layer.out_features, bias=False, device="meta")
    else:
        first = nn.Conv2d(
            layer.in_channels,
            len(down),
            layer.kernel_size,  # type: ignore[arg-type]  # a pair, which torch types as any length
            layer.stride,  # type: ignore[arg-type]  # as above
            layer.padding,  # type: ignore[arg-type]  # as above
            layer.dilation,  # type: ignore[arg-type]  # as above
            bias=False,
            device="meta",
        )
        second = nn.Conv2d(len(down), layer.out_channels, 1, bias=False, device="meta")
    first.weight, second.weight = nn.Parameter(down), nn.Parameter(up)
    return first, second


def _alone(layer: Layer, x: Tensor, down: Tensor, up: Tensor, scale: float) -> Tensor:
    """One adapter on all rows."""
    if isinstance(layer, nn.Linear):
        hidden = functional.linear(x, down)
        return functional.linear(hidden if scale == 1.0 else hidden * scale, up)
    hidden = torch.conv2d(x, down, None, layer.stride, layer.padding, layer.dilation)
    return torch.conv2d(hidden if scale == 1.0 else hidden * scale, up)


def _in_blocks(
    layer: Layer,
    x: Float[Tensor, "row ..."],
    down: Float[Tensor, "member rank ..."],
    up: Float[Tensor, "member out rank ..."],
    scale: float,
) -> Float[Tensor, "row ..."]:
    """The rows of every adapter in a block of their own; no A or B is copied for a row."""
    n = len(down)
    if isinstance(layer, nn.Linear):
        hidden = torch.bmm(x.reshape(n, -1, layer.in_features), down.mT)
        return torch.bmm(hidden * scale, up.mT).reshape(*x.shape[:-1], layer.out_features)
    # One group of channels per adapter, and one row per sample.
    beside = x.view(n, -1, *x.shape[1:]).transpose(0, 1).flatten(1, 2)
    hidden = torch.conv2d(beside, down.flatten(0, 1), None, layer.stride, layer.padding, layer.dilation, groups=n)
    added = torch.conv2d(hidden * scale, up.flatten(0, 1), groups=n)
    by_member = added.view(len(added), n, -1, *added.shape[2:])
    return by_member.transpose(0, 1).flatten(0, 1)


def merged(
    stack: AdapterStack, weights: Float[Tensor, " member"]
) -> tuple[dict[str, Float[Tensor, "rank ..."]], dict[str, Float[Tensor, "out rank ..."]]]:
    """A and B by module of one adapter with the effect sum_i w_i B_i A_i, of rank n times rank.

    The members' A stand above each other, and their B side by side, so no product is formed.
    """
    down = {name: value.flatten(0, 1) for name, value in stack.down.items()}
    up = {
        name: torch.cat(list(value * weights.to(value).view(-1, *[1] * (value.ndim - 1))), dim=1)
        for name, value in stack.up.items()
    }
    return down, up
