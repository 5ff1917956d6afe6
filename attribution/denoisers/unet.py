"""The network of the default kind: diffusers' ``UNet2DModel`` of plain blocks, written out.

diffusers imports all of its models, transformers and peft before it gives this one: four seconds of
processor time in every process that trains or samples. So the layers stand here, with the names,
the order of creation and the arithmetic of diffusers: weights, random starts, outputs and gradients
are the same to the last bit, and diffusers opens what was saved. Tests hold all of that.

    down:   per resolution, residual layers, then a convolution of stride 2 (but for the last)
    middle: a residual layer, attention if it is asked for, a residual layer
    up:     per resolution, one residual layer more, each beside an output kept on the way down
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-5
"""Of the group normalisations."""
LARGEST_PERIOD = 10_000
"""Of the waves that encode a timestep."""


class UNet(nn.Module):
    """A UNet for square images, in sizes of :class:`attribution.denoisers.pixels.PixelUNet`."""

    def __init__(
        self, planes: int, widths: tuple[int, ...], layers: int, groups: int, class_count: int, *, attention: bool
    ) -> None:
        """``planes``: channels in and out. ``layers``: per resolution, on the way down."""
        super().__init__()
        first, time_width = widths[0], 4 * widths[0]
        self.conv_in = nn.Conv2d(planes, first, 3, padding=1)
        self.time_embedding = TimeEmbedding(first, time_width)
        self.class_embedding = nn.Embedding(class_count, time_width) if class_count else None
        before = (first, *widths)
        last = len(widths) - 1
        self.down_blocks = nn.ModuleList(
            DownBlock(before[level], width, layers, time_width, groups, halves=level < last)
            for level, width in enumerate(widths)
        )
        # Made before the way up, and listed after it, as in diffusers: the first order decides on
        # the random start, the second on the numbers in a checkpoint.
        middle = MiddleBlock(widths[-1], time_width, groups, attention=attention)
        rising = widths[::-1]
        self.up_blocks = nn.ModuleList(
            UpBlock(
                rising[max(0, level - 1)],
                rising[min(level + 1, last)],
                width,
                layers + 1,
                time_width,
                groups,
                doubles=level < last,
            )
            for level, width in enumerate(rising)
        )
        self.mid_block = middle
        self.conv_norm_out = nn.GroupNorm(groups, first, EPSILON)
        self.conv_out = nn.Conv2d(first, planes, 3, padding=1)

    def forward(
        self,
        x: Float[Tensor, "batch plane height width"],
        t: Int[Tensor, " batch"],
        classes: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch plane height width"]:
        """The predicted noise; ``classes`` if and only if the network has classes."""
        time = self.time_embedding(t, x.dtype)
        if self.class_embedding is not None:
            time = time + self.class_embedding(classes)
        x = self.conv_in(x)
        kept = [x]
        for down in self.down_blocks:
            x = down(x, time, kept)
        x = self.mid_block(x, time)
        for up in self.up_blocks:
            x = up(x, time, kept)
        noise: Tensor = self.conv_out(functional.silu(self.conv_norm_out(x)))
        return noise


class TimeEmbedding(nn.Module):
    """Sines and cosines of the timestep, through two linear layers."""

    def __init__(self, width: int, time_width: int) -> None:
        super().__init__()
        self.width = width
        self.linear_1 = nn.Linear(width, time_width)
        self.linear_2 = nn.Linear(time_width, time_width)

    def forward(self, t: Int[Tensor, " batch"], dtype: torch.dtype) -> Float[Tensor, "batch feature"]:
        half = self.width // 2
        exponent = -math.log(LARGEST_PERIOD) * torch.arange(half, dtype=torch.float32, device=t.device)
        angles = t[:, None].float() * torch.exp(exponent / half)[None]
        waves = functional.pad(torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1), (0, self.width % 2))
        embedded: Tensor = self.linear_2(functional.silu(self.linear_1(waves.to(dtype))))
        return embedded


class ResidualLayer(nn.Module):
    """Two convolutions beside a shortcut; the timestep is added between them."""

    def __init__(self, width_in: int, width: int, time_width: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, width_in, EPSILON)
        self.conv1 = nn.Conv2d(width_in, width, 3, padding=1)
        self.time_emb_proj = nn.Linear(time_width, width)
        self.norm2 = nn.GroupNorm(groups, width, EPSILON)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.conv_shortcut = None if width_in == width else nn.Conv2d(width_in, width, 1)

    def forward(
        self, x: Float[Tensor, "batch feature height width"], time: Float[Tensor, "batch feature"]
    ) -> Float[Tensor, "batch feature height width"]:
        inner = self.conv1(functional.silu(self.norm1(x)))
        inner = inner + self.time_emb_proj(functional.silu(time))[:, :, None, None]
        inner = self.conv2(functional.silu(self.norm2(inner)))
        if self.conv_shortcut is not None:
            x = self.conv_shortcut(x)
        changed: Tensor = x + inner
        return changed


class DownBlock(nn.Module):
    """One resolution on the way down."""

    def __init__(self, width_in: int, width: int, layers: int, time_width: int, groups: int, *, halves: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            ResidualLayer(width if layer else width_in, width, time_width, groups) for layer in range(layers)
        )
        self.downsamplers = nn.ModuleList([Halving(width)]) if halves else None

    def forward(
        self,
        x: Float[Tensor, "batch feature height width"],
        time: Float[Tensor, "batch feature"],
        kept: list[Tensor],
    ) -> Float[Tensor, "batch feature height width"]:
        """Each output goes to ``kept``, for the way up."""
        for layer in self.resnets:
            x = layer(x, time)
            kept.append(x)
        if self.downsamplers is not None:
            x = self.downsamplers[0](x)
            kept.append(x)
        return x


class MiddleBlock(nn.Module):
    """The lowest resolution."""

    def __init__(self, width: int, time_width: int, groups: int, *, attention: bool) -> None:
        super().__init__()
        first = ResidualLayer(width, width, time_width, groups)
        self.attentions = nn.ModuleList([Attention(width, groups)] if attention else [])
        self.resnets = nn.ModuleList([first, ResidualLayer(width, width, time_width, groups)])

    def forward(
        self, x: Float[Tensor, "batch feature height width"], time: Float[Tensor, "batch feature"]
    ) -> Float[Tensor, "batch feature height width"]:
        x = self.resnets[0](x, time)
        for attention in self.attentions:
            x = attention(x)
        last: Tensor = self.resnets[1](x, time)
        return last


class UpBlock(nn.Module):
    """One resolution on the way up."""

    def __init__(
        self,
        width_in: int,
        width_kept_first: int,
        width: int,
        layers: int,
        time_width: int,
        groups: int,
        *,
        doubles: bool,
    ) -> None:
        """``width_kept_first``: of the output kept first on the way down, so taken last."""
        super().__init__()
        self.resnets = nn.ModuleList(
            ResidualLayer(
                (width if layer else width_in) + (width_kept_first if layer == layers - 1 else width),
                width,
                time_width,
                groups,
            )
            for layer in range(layers)
        )
        self.upsamplers = nn.ModuleList([Doubling(width)]) if doubles else None

    def forward(
        self,
        x: Float[Tensor, "batch feature height width"],
        time: Float[Tensor, "batch feature"],
        kept: list[Tensor],
    ) -> Float[Tensor, "batch feature height width"]:
        """Takes its inputs off the end of ``kept``."""
        for layer in self.resnets:
            x = layer(torch.cat([x, kept.pop()], dim=1), time)
        return x if self.upsamplers is None else self.upsamplers[0](x)


class Halving(nn.Module):
    """A convolution of stride 2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=2, padding=1)

    def forward(
        self, x: Float[Tensor, "batch feature height width"]
    ) -> Float[Tensor, "batch feature height/2 width/2"]:
        halved: Tensor = self.conv(x)
        return halved


class Doubling(nn.Module):
    """Every place twice in both directions, then a convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(
        self, x: Float[Tensor, "batch feature height width"]
    ) -> Float[Tensor, "batch feature height*2 width*2"]:
        doubled: Tensor = self.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))
        return doubled


class Attention(nn.Module):
    """Attention with one head over all places, beside a shortcut."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, width, EPSILON)
        self.to_q = nn.Linear(width, width)
        self.to_k = nn.Linear(width, width)
        self.to_v = nn.Linear(width, width)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x: Float[Tensor, "batch feature height width"]) -> Float[Tensor, "batch feature height width"]:
        places = self.group_norm(x.flatten(2)).transpose(1, 2)
        query, key, value = (layer(places)[:, None] for layer in (self.to_q, self.to_k, self.to_v))
        attended = functional.scaled_dot_product_attention(query, key, value)[:, 0]
        changed: Tensor = self.to_out[0](attended).transpose(1, 2).reshape(x.shape) + x
        return changed
