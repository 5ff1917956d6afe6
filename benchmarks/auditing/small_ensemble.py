"""A small ensemble with real differences between members, trained in a minute without a data set.

Works are coloured discs and squares; members are networks of the product.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attribution.denoisers.ensemble import Ensemble
from attribution.denoisers.pixels import PixelUNet
from attribution.denoisers.schedule import alpha_bars
from attribution.sampling.schedule import SamplerSettings
from registry.encodings.codes import codes_of
from registry.encodings.words import bits

SIDE = 16


def shapes(count: int) -> Float[Tensor, "work channel height width"]:
    """Discs and squares of different places, sizes and colours, in [-1, 1]."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    works = np.ones((count, 3, SIDE, SIDE), dtype=np.float32)
    for work in range(count):
        centre, radius = generator.uniform(4, SIDE - 4, 2), generator.uniform(2.5, 5)
        distance = np.abs(np.stack([y, x]) - centre[:, None, None])
        inside = np.hypot(*distance) <= radius if work % 2 else distance.max(axis=0) <= radius
        works[work][:, inside] = generator.uniform(-1, 1, (3, 1))
    return torch.from_numpy(works)


def trained_ensemble(
    works: Float[Tensor, "work channel height width"], n: int, h: int, steps: int, batch: int = 16
) -> tuple[Ensemble, Bool[np.ndarray, "work member"]]:
    """Members, each trained on the works of its code, with common random numbers."""
    membership = bits(codes_of(0, n, h, np.arange(len(works))), n)
    settings = PixelUNet(size=SIDE, widths=(8, 16), groups=4, patch=2)
    alpha = torch.from_numpy(np.sqrt(alpha_bars(SamplerSettings()))).float()
    members = []
    for member in range(n):
        network = settings.new_member(0).train()
        optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3)
        mine = works[torch.from_numpy(np.flatnonzero(membership[:, member]))]
        generator = torch.Generator().manual_seed(1)
        for _ in range(steps):
            clean = mine[torch.randint(len(mine), (batch,), generator=generator)]
            t = torch.randint(1000, (batch,), generator=generator)
            noise = torch.randn(clean.shape, generator=generator)
            a = alpha[t][:, None, None, None]
            loss = (network(a * clean + (1 - a**2).sqrt() * noise, t) - noise).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        members.append(network.eval().requires_grad_(False))
    return Ensemble(members), membership
