"""A frozen UNet that many adapters share, run on a batch of evaluations.

An evaluation is a row (a noisy latent at a timestep) seen by one member under one text. Rows of the
batch that differ only in member or text are the same up to the first adapted module, or to the
first that reads the text: the layers before it run once per row and not once per evaluation.

The UNet is diffusers' own and runs unchanged; hooks on its modules do the rest. One of them adds
the adapters' part to a module's output. The other, before a block, spreads rows over evaluations.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attribution.denoisers.text_to_image.lora import AdapterLayers, AdapterStack, Layer, Target, layers_of
from registry.errors import UsageError

KNOWN_BLOCKS = frozenset(
    {"DownBlock2D", "CrossAttnDownBlock2D", "UNetMidBlock2DCrossAttn", "UpBlock2D", "CrossAttnUpBlock2D"}
)
"""The blocks of Stable Diffusion 1 and 2 and of SDXL."""


@dataclass(frozen=True)
class _Pass:
    """What the hooks need to know while the UNet runs."""

    stack: AdapterStack | AdapterLayers
    members: Int[Tensor, " evaluation"] | None
    rows: Int[Tensor, " evaluation"]
    shared: int
    """Number of rows."""
    spreading: frozenset[str]
    """Blocks that need a row per evaluation."""

    def spread(self, value: Any) -> Any:  # noqa: ANN401  # arguments of any block
        """Tensors of a row each, as tensors of an evaluation each; other values unchanged."""
        if isinstance(value, Tensor):
            return value[self.rows] if value.ndim and len(value) == self.shared else value
        return tuple(self.spread(part) for part in value) if isinstance(value, tuple) else value


class SharedUNet:
    """A UNet with its hooks; the weights stay as they are."""

    def __init__(self, network: nn.Module) -> None:
        """Put hooks on a ``UNet2DConditionModel``.

        Raises:
            UsageError: it has blocks that are not known.
        """
        self.network = network
        self._pass: _Pass | None = None
        self._blocks = _blocks_of(network)
        for name, layer in layers_of(network, "attention+conv").items():
            layer.register_forward_hook(self._adding(name))
        for name, block in self._blocks.items():
            block.register_forward_pre_hook(self._spreading(name), with_kwargs=True)
        self.layers = lru_cache(self._layers)
        self._needing = lru_cache(self._blocks_needing_evaluations)

    @property
    def width(self) -> int:
        """Channels of the first layer's output."""
        return len(self.network.get_submodule("conv_in").weight)  # type: ignore[arg-type]  # a convolution

    def _layers(self, target: Target) -> Mapping[str, Layer]:
        return layers_of(self.network, target)

    def __call__(
        self,
        x: Float[Tensor, "row channel height width"],
        t: Int[Tensor, " row"],
        added: Mapping[str, Tensor] | None,
        text: Float[Tensor, "evaluation token width"],
        rows: Int[Tensor, " evaluation"],
        members: Int[Tensor, " evaluation"] | None,
        stack: AdapterStack | AdapterLayers,
        target: Target,
    ) -> Float[Tensor, "evaluation channel height width"]:
        """The UNet's output for every evaluation.

        Args:
            x: noisy latents.
            t: their timesteps.
            added: the added conditions of SDXL, by row.
            text: embedded texts.
            rows: the row of each evaluation. Every row is in it, in order of first appearance.
            members: the adapter of each evaluation, by its place in ``stack``. None: every adapter
                has the same number of evaluations, one adapter after the other.
            stack: adapters on the modules of ``target``.
            target: the adapted modules.
        """
        self._pass = _Pass(stack, members, rows, len(x), frozenset() if len(rows) == len(x) else self._needing(target))
        half = next(self.network.parameters()).dtype == torch.bfloat16
        try:
            with torch.autocast(x.device.type, torch.bfloat16) if half else nullcontext():
                output: Tensor = self.network(x, t, text, added_cond_kwargs=added, return_dict=False)[0]
        finally:
            self._pass = None
        return output.to(x.dtype)

    def _blocks_needing_evaluations(self, target: Target) -> frozenset[str]:
        """Blocks with adapted modules, and those that read the text."""
        adapted = self.layers(target)
        return frozenset(
            name
            for name, block in self._blocks.items()
            if type(block).__name__ == "Transformer2DModel" or any(module.startswith(f"{name}.") for module in adapted)
        )

    def _adding(self, name: str) -> Any:  # noqa: ANN401  # a forward hook
        def add(layer: Layer, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            now = self._pass
            if now is None or name not in now.stack.down:
                return output
            return output + now.stack.delta(name, layer, inputs[0], now.members)

        return add

    def _spreading(self, name: str) -> Any:  # noqa: ANN401  # a forward hook
        def spread(_: nn.Module, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:  # noqa: ANN401  # new arguments
            now = self._pass
            if now is None or not now.spreading:
                return None
            first = inputs[0] if inputs else options["hidden_states"]
            if name not in now.spreading and len(first) == now.shared:
                return None
            return now.spread(inputs), {key: now.spread(value) for key, value in options.items()}

        return spread


def _blocks_of(network: nn.Module) -> dict[str, nn.Module]:
    """The places where rows may be spread: single layers on the way down, then whole blocks."""
    found: dict[str, nn.Module] = {}
    for name, block in network.named_modules():
        top, _, inner = name.partition(".")
        if (top in ("down_blocks", "up_blocks") and inner.isdigit()) or name == "mid_block":
            if type(block).__name__ not in KNOWN_BLOCKS:
                raise UsageError(
                    f"the base's UNet has a {type(block).__name__}: supported are {', '.join(sorted(KNOWN_BLOCKS))}"
                )
            if top != "down_blocks":
                found[name] = block
        elif top == "down_blocks" and inner.count(".") == 2:  # down_blocks.0.resnets.1
            found[name] = block
    return found
