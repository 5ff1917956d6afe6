"""Small denoisers for tests: linear with closed forms, smooth convolutional, and diffusers'."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attribution.denoisers.ensemble import Ensemble
from attribution.denoisers.libraries import diffusers


class LinearDenoiser(nn.Module):
    """eps = a x + b with an image b: everything about an ensemble of these has a closed form."""

    def __init__(self, slope: float, offset: Float[Tensor, "channel height width"]) -> None:
        super().__init__()
        self.slope = slope
        self.register_buffer("offset", offset)
        self.offset: Tensor
        self.rows_seen = 0

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        assert len(t) == len(x)
        assert labels is None or len(labels) == len(x)
        self.rows_seen += len(x)
        return self.slope * x + self.offset


class ConvolutionalDenoiser(nn.Module):
    """Convolution, GroupNorm, SiLU, convolution, with the time and the label as further inputs."""

    def __init__(self, channels: int = 3, width: int = 8) -> None:
        super().__init__()
        self.into = nn.Conv2d(channels, width, 3, padding=1)
        self.time = nn.Linear(2, width)
        self.norm = nn.GroupNorm(2, width)
        self.out = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        label = torch.zeros_like(t) if labels is None else labels
        context = self.time(torch.stack([t / 1000, label.to(x.dtype)], dim=1).to(x.dtype))
        hidden = self.into(x) + context[:, :, None, None]
        output: Tensor = self.out(nn.functional.silu(self.norm(hidden)))
        return output


class UNetDenoiser(nn.Module):
    """diffusers' UNet2DModel as a denoiser, small, with or without attention."""

    def __init__(self, *, attention: bool) -> None:
        super().__init__()
        self.unet = (
            diffusers()
            .UNet2DModel(
                sample_size=8,
                in_channels=3,
                out_channels=3,
                layers_per_block=1,
                block_out_channels=(8, 16),
                down_block_types=("DownBlock2D", "AttnDownBlock2D" if attention else "DownBlock2D"),
                up_block_types=("AttnUpBlock2D" if attention else "UpBlock2D", "UpBlock2D"),
                attention_head_dim=8,
                norm_num_groups=4,
                add_attention=attention,
            )
            .eval()
        )

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        output: Tensor = self.unet(x, t, labels).sample
        return output


def seeded(seed: int) -> torch.Generator:
    """A generator for a test's random numbers."""
    return torch.Generator().manual_seed(seed)


def linear_ensemble(n: int, shape: tuple[int, int, int] = (2, 4, 4)) -> Ensemble:
    """N linear denoisers of different slopes and offsets, float64."""
    offsets = 0.3 * torch.randn((n, *shape), generator=seeded(0), dtype=torch.float64)
    return Ensemble([LinearDenoiser(0.5 + 0.3 * index / n, offset) for index, offset in enumerate(offsets)])


def network_ensemble(n: int, kind: str, dtype: torch.dtype = torch.float64) -> Ensemble:
    """N networks of a kind (``conv``, ``unet``, ``attention``), each seeded by its index."""
    members = []
    with torch.random.fork_rng():
        for index in range(n):
            torch.manual_seed(index)
            network = ConvolutionalDenoiser() if kind == "conv" else UNetDenoiser(attention=kind == "attention")
            members.append(network.to(dtype).requires_grad_(False))
    return Ensemble(members)
