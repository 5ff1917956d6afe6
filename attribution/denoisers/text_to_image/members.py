"""A member: a LoRA adapter on the shared base; and the members of an ensemble together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attribution.denoisers.ensemble import Ensemble, by_row
from attribution.denoisers.interface import Member
from attribution.denoisers.text_to_image.condition import TextCondition
from attribution.denoisers.text_to_image.evaluations import Predictor
from attribution.denoisers.text_to_image.lora import (
    AdapterLayers,
    AdapterStack,
    Layer,
    Target,
    adapter_layers,
    adapter_start,
    merged,
)
from registry.errors import UsageError

PREFIXES = ("base_model.model.unet.", "base_model.model.", "unet.")
"""What diffusers and peft write before the name of a module."""
SUFFIXES = {
    "lora_A.weight": "lora_A.weight",
    "lora_B.weight": "lora_B.weight",
    "lora.down.weight": "lora_A.weight",
    "lora.up.weight": "lora_B.weight",
    "alpha": "alpha",
}
"""How these libraries name A and B, today and before."""


class AdapterKind(Protocol):
    """What a member needs of :class:`attribution.denoisers.text_to_image.kind.Adapters`."""

    @property
    def rank(self) -> int: ...
    @property
    def alpha(self) -> float: ...
    @property
    def scale(self) -> float: ...
    @property
    def target(self) -> Target: ...
    def layout(self) -> Mapping[str, Layer]:
        """The adapted modules, without weights."""

    def predictor(self, device: torch.device) -> Predictor:
        """The base on a device."""

    def complete(self, condition: TextCondition | None, x: Float[Tensor, "batch ..."]) -> TextCondition:
        """The condition itself, or the empty one for every row of x."""


class AdapterMember(Member):
    """A and B for every adapted module of the base. The base is no part of the member."""

    def __init__(self, kind: AdapterKind, names: Sequence[str], down: Sequence[Tensor], up: Sequence[Tensor]) -> None:
        super().__init__()
        self.kind = kind
        self.names = tuple(names)
        adapted = kind.layout()
        layers = [adapter_layers(adapted[name], *pair) for name, *pair in zip(self.names, down, up, strict=True)]
        self.down_layers = nn.ModuleList([first for first, _ in layers])
        self.up_layers = nn.ModuleList([second for _, second in layers])

    @property
    def down(self) -> list[nn.Parameter]:
        """A of every adapted module."""
        return [layer.get_parameter("weight") for layer in self.down_layers]

    @property
    def up(self) -> list[nn.Parameter]:
        """B of every adapted module."""
        return [layer.get_parameter("weight") for layer in self.up_layers]

    @classmethod
    def starting(cls, kind: AdapterKind, seed: int) -> AdapterMember:
        """The member before training, which predicts what the base does."""
        generator = torch.Generator().manual_seed(seed)
        layers = kind.layout()
        pairs = [adapter_start(layer, kind.rank, generator) for layer in layers.values()]
        return cls(kind, tuple(layers), [down for down, _ in pairs], [up for _, up in pairs])

    def forward(
        self,
        x: Float[Tensor, "batch channel height width"],
        t: Int[Tensor, " batch"],
        condition: TextCondition | None = None,
    ) -> Float[Tensor, "batch channel height width"]:
        stack = AdapterLayers(
            dict(zip(self.names, cast(Iterable[Layer], self.down_layers), strict=True)),
            dict(zip(self.names, cast(Iterable[Layer], self.up_layers), strict=True)),
            self.kind.scale,
        )
        pairs = [(row, 0) for row in range(len(x))]
        return self.kind.predictor(x.device).predict(x, t, self.kind.complete(condition, x), stack, pairs)

    def adapter(self) -> tuple[dict[str, nn.Parameter], dict[str, nn.Parameter]]:
        """A and B by module."""
        return dict(zip(self.names, self.down, strict=True)), dict(zip(self.names, self.up, strict=True))

    def state(self) -> dict[str, Tensor]:
        """A and B, named as diffusers does."""
        found: dict[str, Tensor] = {}
        for name, down, up in zip(self.names, self.down, self.up, strict=True):
            found |= {f"unet.{name}.lora_A.weight": down.detach(), f"unet.{name}.lora_B.weight": up.detach()}
        return found

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Put back a state, also one that diffusers or peft named, and of any precision."""
        given = named_by_module(state)
        expected = {part.removeprefix("unet.") for part in self.state()}
        alphas = {name: value for name, value in given.items() if name.endswith(".alpha")}
        for name, value in alphas.items():
            if float(value) != self.kind.alpha:
                raise RuntimeError(f"{name} is {float(value):g}, expected {self.kind.alpha:g}")
        if differing := sorted(expected ^ (given.keys() - alphas.keys())):
            has = "has" if differing[0] in given else "lacks"
            raise RuntimeError(f"it {has} {differing[0]}; the target is {self.kind.target!r}")
        for name, down, up in zip(self.names, self.down, self.up, strict=True):
            for part, own in (("lora_A", down), ("lora_B", up)):
                value = given[f"{name}.{part}.weight"]
                if value.shape != own.shape:
                    raise RuntimeError(
                        f"{name}.{part}.weight has the shape {list(value.shape)}, expected {list(own.shape)} for rank "
                        f"{self.kind.rank}"
                    )
                own.copy_(value)


def named_by_module(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a LoRA file as ``<module>.lora_A.weight`` and ``<module>.lora_B.weight``.

    Raises:
        RuntimeError: a tensor belongs to no adapter of a UNet.
    """
    found = {}
    for name, value in state.items():
        module = next((name.removeprefix(prefix) for prefix in PREFIXES if name.startswith(prefix)), name)
        suffix = next((each for each in SUFFIXES if module.endswith(f".{each}")), None)
        if suffix is None:
            raise RuntimeError(f"{name} is no part of a LoRA adapter of a UNet")
        found[module.removesuffix(suffix) + SUFFIXES[suffix]] = value
    return found


@dataclass(frozen=True)
class SharedBaseEnsemble(Ensemble):
    """Members that run the base once on a batch over rows, members and texts."""

    @cached_property
    @torch.no_grad()
    def stack(self) -> AdapterStack:
        return AdapterStack.of([member.adapter() for member in self._adapters()], self.kind.scale)

    @property
    def kind(self) -> AdapterKind:
        """What the members have in common."""
        return self._adapters()[0].kind

    def _adapters(self) -> list[AdapterMember]:
        return [member for member in self.members if isinstance(member, AdapterMember)]

    def predict(
        self,
        x: Float[Tensor, "batch channel height width"],
        timestep: int | Int[Tensor, " batch"],
        condition: Any = None,  # noqa: ANN401  # a TextCondition
        weights: Float[Tensor, "batch member"] | None = None,
    ) -> Float[Tensor, "member batch channel height width"]:
        needed = torch.ones(len(x), self.n, dtype=torch.bool) if weights is None else (weights != 0).cpu()
        pairs = [(row, member) for row, member in needed.nonzero().tolist()]
        outputs = x.new_zeros((self.n, *x.shape))
        if pairs:
            t = by_row(timestep, x)
            condition = self.kind.complete(condition, x)
            eps = self.kind.predictor(x.device).predict(x, t, condition, self.stack, pairs)
            places = torch.tensor(pairs, device=x.device)
            outputs[places[:, 1], places[:, 0]] = eps
        return outputs

    @torch.no_grad()
    def merged(self, weights: Float[Tensor, " member"]) -> Ensemble:
        """One member with the weighted mean of the members' B A on every module.

        It predicts in one evaluation what n members need n for, but not the same: it averages
        updates, an ensemble averages predictions. Its rank is the sum of the ranks of the members
        that have a weight.
        """
        chosen = [(member, float(w)) for member, w in zip(self._adapters(), weights, strict=True) if w]
        if not chosen:
            raise UsageError("no member has a weight: expected at least 1 to merge")
        stack = AdapterStack.of([member.adapter() for member, _ in chosen], self.kind.scale)
        down, up = merged(stack, torch.tensor([weight for _, weight in chosen]))
        made = AdapterMember(self.kind, tuple(down), list(down.values()), list(up.values()))
        return SharedBaseEnsemble([made.eval().requires_grad_(False)], self.space)
