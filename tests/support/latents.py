"""A second kind of denoiser, small enough for closed forms: latents with a shared frozen base.

The encoder is a fixed matrix with orthonormal rows that maps an image to a latent of half its
values; the decoder is its transpose. The base is a fixed smooth network that every member shares; a
member adds a small adapter. A text is embedded by its hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from attribution.denoisers.ensemble import Ensemble, by_row
from attribution.denoisers.interface import DenoiserKind, Member, Prompt, Shape
from attribution.denoisers.schedule import Betas, NoiseSchedule, alpha_bars
from attribution.denoisers.space import Condition
from attribution.images import ImageSettings
from registry.errors import UsageError

TOKEN = 4
"""Numbers per embedded text."""
HIDDEN = 12
BASE_LOADED: list[int] = []
"""The seed of every base that this process loaded."""


@dataclass(frozen=True)
class TextCondition:
    """Embedded texts and guidance, one row per sample."""

    text: Float[Tensor, "batch token"]
    negative: Float[Tensor, "batch token"]
    guidance: Float[Tensor, " batch"]

    def __len__(self) -> int:
        return len(self.text)

    def __getitem__(self, rows: Tensor) -> TextCondition:
        return TextCondition(self.text[rows], self.negative[rows], self.guidance[rows])

    def to(self, device: str) -> TextCondition:
        return TextCondition(self.text.to(device), self.negative.to(device), self.guidance.to(device))


def embedded(text: str | None) -> Float[Tensor, " token"]:
    """Numbers in [-1, 1] from a text's hash; zeros for the empty one."""
    if text is None:
        return torch.zeros(TOKEN)
    return torch.tensor(list(hashlib.sha256(text.encode()).digest()[:TOKEN])) / 127.5 - 1.0


@dataclass(frozen=True)
class ToyLatents(DenoiserKind):
    """Latents of one channel, half the height of the image."""

    name: ClassVar[str] = "toy latents"
    latent: ClassVar[bool] = True
    open_labels: ClassVar[bool] = True

    size: int = 8
    channels: int = 3
    base_seed: int = 5
    base: str = ""
    dropout: float = 0.25
    train_steps: int = 1000
    beta_start: float = 1e-4
    beta_end: float = 0.02
    beta_schedule: Betas = "linear"

    def check(self, image: ImageSettings, classes: Sequence[str], schedule: NoiseSchedule) -> None:
        if (image.size, image.channels) != (self.size, self.channels) or classes:
            raise UsageError("images of another size, or classes, for toy latents")
        if not np.array_equal(alpha_bars(self), alpha_bars(schedule)):
            raise UsageError("the toy's base was trained under another noise schedule")
        if self.base != base_sha256(self.base_seed):
            raise UsageError("the toy's base is not the one that the recipe names")

    @property
    def shape(self) -> Shape:
        return 1, self.size // 2, self.size

    def encode(self, images: Tensor) -> Tensor:
        rows = frame(self.channels * self.size**2, self.size**2 // 2).to(images)
        return (images.flatten(1) @ rows.T).reshape(-1, *self.shape)

    def decode(self, x: Tensor) -> Tensor:
        rows = frame(self.channels * self.size**2, self.size**2 // 2).to(x.dtype)
        return (x.flatten(1) @ rows).reshape(-1, self.channels, self.size, self.size)

    def condition(self, prompts: Sequence[Prompt], classes: Sequence[str]) -> Condition:
        assert not classes
        return TextCondition(
            torch.stack([embedded(prompt.label) for prompt in prompts]),
            torch.stack([embedded(prompt.negative) for prompt in prompts]),
            torch.tensor([prompt.guidance for prompt in prompts]),
        )

    def config(self) -> dict[str, Any]:
        return {"kind": self.name, "base": self.base, "hidden": HIDDEN}

    def new_member(self, seed: int) -> ToyMember:
        return ToyMember(self, seed)

    def open_members(self, folders: Sequence[Path], device: str) -> Ensemble:
        return SharedBase([self.load_member(folder).to(device) for folder in folders], self)

    def open_base(self, device: str) -> Ensemble:
        member = ToyMember(self, 0)
        member.up.weight.data.zero_()
        return SharedBase([member.to(device).eval().requires_grad_(False)], self)


class ToyMember(Member):
    """V of the frozen base plus a low-rank adapter, as eps."""

    def __init__(self, kind: ToyLatents, seed: int) -> None:
        super().__init__()
        width, draw = kind.size**2 // 2, torch.Generator().manual_seed(seed)
        self.base = [loaded_base(kind.base_seed, width)]  # in a list: no module of this one
        with torch.random.fork_rng(devices=[]):  # the layers' own start draws random numbers
            self.down, self.up = nn.Linear(HIDDEN, 3, bias=False), nn.Linear(3, width, bias=False)
        for layer in (self.down, self.up):
            layer.weight.data = 0.3 * torch.randn(layer.weight.shape, generator=draw)
        self.register_buffer("alpha_bar", torch.from_numpy(alpha_bars(kind)), persistent=False)
        self.alpha_bar: Tensor

    def forward(self, x: Tensor, t: Tensor, condition: TextCondition | None = None) -> Tensor:
        return guided(x, condition, lambda text: self.eps(x, t, self.base[0].features(x, t, text)))

    def eps(self, x: Tensor, t: Tensor, hidden: Tensor) -> Tensor:
        """The base's features through the base's and the adapter's last layer, v to eps."""
        v: Tensor = hidden @ self.base[0].out.to(x.dtype).T + self.up(self.down(hidden))
        signal = self.alpha_bar[t].to(x.dtype).view(-1, 1)
        eps: Tensor = signal.sqrt() * v + (1.0 - signal).sqrt() * x.flatten(1)
        return eps.reshape(x.shape)

    def state(self) -> dict[str, Tensor]:
        return self.state_dict()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.load_state_dict(state)


class SharedBase(Ensemble):
    """Members that run the base once for all of them."""

    def predict(
        self,
        x: Tensor,
        timestep: int | Tensor,
        condition: Any = None,  # noqa: ANN401  # a TextCondition
        weights: Tensor | None = None,
    ) -> Tensor:
        t = by_row(timestep, x)
        members = [member for member in self.members if isinstance(member, ToyMember)]

        def together(text: Tensor) -> Tensor:
            hidden = members[0].base[0].features(x, t, text)
            return torch.stack([member.eps(x, t, hidden) for member in members])

        outputs = guided(x, condition, together)
        if weights is None:
            return outputs
        return outputs * (weights != 0).T.to(outputs).view(self.n, -1, 1, 1, 1)

    def merged(self, weights: Tensor) -> Ensemble:
        """The mean update of the last layer, as one adapter of full rank."""
        members = [member for member in self.members if isinstance(member, ToyMember)]
        kind = self.space
        assert isinstance(kind, ToyLatents)
        made = ToyMember(kind, 0).to(members[0].up.weight.dtype)
        parts = zip(weights.tolist(), members, strict=True)
        update = torch.stack([weight * member.up.weight @ member.down.weight for weight, member in parts]).sum(dim=0)
        made.down, made.up = nn.Identity(), nn.Linear(HIDDEN, len(update), bias=False)  # type: ignore[assignment]  # no bottleneck
        made.up.weight.data = update
        return SharedBase([made.requires_grad_(False)], kind)


def guided(x: Tensor, condition: TextCondition | None, predict: Any) -> Tensor:  # noqa: ANN401  # of a text, eps
    """Classifier-free guidance; a second evaluation only where some row asks for it."""
    if condition is None:
        found: Tensor = predict(torch.zeros(len(x), TOKEN).to(x.dtype))
        return found
    eps: Tensor = predict(condition.text.to(x.dtype))
    if bool((condition.guidance == 1.0).all()):
        return eps
    negative: Tensor = predict(condition.negative.to(x.dtype))
    return negative + condition.guidance.to(x.dtype).view(-1, 1, 1, 1) * (eps - negative)


class Base:
    """The frozen base: one smooth layer over latent, time and text, and a last linear layer."""

    def __init__(self, seed: int, width: int) -> None:
        draw = torch.Generator().manual_seed(seed)
        self.latent = torch.randn(HIDDEN, width, generator=draw) / width**0.5
        self.text = torch.randn(HIDDEN, TOKEN, generator=draw)
        self.time = torch.randn(HIDDEN, generator=draw)
        self.out = torch.randn(width, HIDDEN, generator=draw) / HIDDEN**0.5

    def features(self, x: Tensor, t: Tensor, text: Tensor) -> Tensor:
        """[batch, hidden], smooth in x."""
        time = (t / 1000).to(x.dtype)[:, None] * self.time.to(x.dtype)
        return torch.tanh(x.flatten(1) @ self.latent.to(x.dtype).T + text @ self.text.to(x.dtype).T + time)


@lru_cache
def loaded_base(seed: int, width: int) -> Base:
    """The base, once per process."""
    BASE_LOADED.append(seed)
    return Base(seed, width)


def base_sha256(seed: int) -> str:
    """The hash that a recipe names the base by."""
    return hashlib.sha256(Base(seed, 32).out.numpy().tobytes()).hexdigest()


@lru_cache
def frame(width: int, latent: int) -> Float[Tensor, "latent width"]:
    """Orthonormal rows, float64."""
    draw = torch.Generator().manual_seed(17)
    columns: Tensor = torch.linalg.qr(torch.randn(width, latent, generator=draw, dtype=torch.float64))[0]
    return columns.mT.contiguous()
