"""Trains the VAE: ``AutoencoderTiny`` of width 32, 64x64 pictures to latents of 4x16x16.

Loss: absolute and squared error, distance in SqueezeNet's first features, and latents held near
mean 0 and deviation 1. Noise on the latents makes the decoder bear a sampler's small errors.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from attribution.denoisers.libraries import diffusers
from attribution.metrics.torchvision_models import torchvision_models
from benchmarks.base_model.checkpoints import Average, keep, kept_step

if TYPE_CHECKING:
    from diffusers import AutoencoderTiny

STEPS = 5000
BATCH = 16
RATE = 2e-3
WIDTH = 32
SHIFT = 4
"""Pixels by which a work is moved at most, as augmentation; works are mirrored too."""
LATENT_NOISE = 0.08
EVERY = 500


def autoencoder() -> AutoencoderTiny:
    """The network before training."""
    return diffusers().AutoencoderTiny(
        encoder_block_out_channels=(WIDTH,) * 3,
        decoder_block_out_channels=(WIDTH,) * 3,
        num_encoder_blocks=(1, 2, 3),
        num_decoder_blocks=(3, 2, 1),
        latent_channels=4,
    )


class Features(nn.Module):
    """SqueezeNet's first features, of unit length at each place.

    The weights at ``path`` follow Caffe's convention: BGR, 0 to 255, minus the mean.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        network = torchvision_models().squeezenet1_1()
        network.load_state_dict(torch.load(path, weights_only=True))
        self.layers = network.features[:8].eval().requires_grad_(False)
        self.mean = torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features after three layers, of images in [-1, 1]."""
        x, features = ((images + 1) * 127.5).flip(1) - self.mean, []
        for place, layer in enumerate(self.layers):
            x = layer(x)
            if place in (1, 4, 7):
                features.append(functional.normalize(x.float(), dim=1))
        return features


def train_autoencoder(kept: Path, squeezenet: Path, steps: int) -> None:
    """Train to ``steps``, from the last checkpoint if there is one, and write ``vae``."""
    torch.manual_seed(0)
    works = torch.from_numpy(np.load(kept / "works.npz")["images"]).permute(0, 3, 1, 2)
    features = Features(squeezenet)
    network = autoencoder().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), RATE, betas=(0.9, 0.99), weight_decay=1e-3)
    average = Average(network)
    first = kept_step(kept / "vae.ckpt", network, optimiser, average)
    draws, begun = torch.Generator().manual_seed(first + 1), time.monotonic()
    for step in range(first, steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * _rate(step, steps)
        batch = works[torch.randint(0, len(works), (BATCH,), generator=draws)].float() / 127.5 - 1
        loss, squared = _loss(network, features, _moved(batch, draws), draws)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        average.update(network, step)
        if (step + 1) % EVERY == 0 or step + 1 == steps:
            keep(kept / "vae.ckpt", network, optimiser, average, step + 1)
            psnr = 10 * math.log10(4 / squared)
            print(f"{step + 1} of {steps}: PSNR {psnr:.1f} dB, {time.monotonic() - begun:.0f} s", flush=True)
    network.load_state_dict(average.state)
    network.save_pretrained(kept / "vae")


def _rate(step: int, steps: int) -> float:
    """Warm-up over 200 steps, then a cosine down to a fiftieth."""
    warm = min(1.0, step / 200)
    return warm * 0.49 * (1 + math.cos(math.pi * step / steps)) + (0.02 if step > 200 else 0.0)


def _moved(batch: Tensor, draws: torch.Generator) -> Tensor:
    right, down = torch.randint(-SHIFT, SHIFT + 1, (2,), generator=draws).tolist()
    side, padded = batch.shape[-1], functional.pad(batch, (SHIFT,) * 4, value=1.0)
    moved = padded[:, :, SHIFT + down : SHIFT + down + side, SHIFT + right : SHIFT + right + side]
    mirrored = moved.flip(3) if torch.rand((), generator=draws) < 0.5 else moved
    return mirrored.to(memory_format=torch.channels_last)


def _loss(network: AutoencoderTiny, features: Features, batch: Tensor, draws: torch.Generator) -> tuple[Tensor, float]:
    """The loss of a batch, and its mean squared error."""
    with torch.autocast("cpu", torch.bfloat16):
        latents = network.encode(batch).latents.float()
        noisy = latents + LATENT_NOISE * torch.randn(latents.shape, generator=draws)
        decoded = network.decode(noisy).sample.float()
        with torch.no_grad():
            wanted = features(batch)
        found = features(decoded)
    squared = (decoded - batch).square().mean()
    perceptual = sum((one - two).square().sum(1).mean() for one, two in zip(wanted, found, strict=True))
    deviation, mean = latents.std(dim=(0, 2, 3)), latents.mean(dim=(0, 2, 3))
    unit = ((deviation - 1).square() + mean.square()).mean()
    return (decoded - batch).abs().mean() + 2 * squared + 0.15 * perceptual + 0.1 * unit, float(squared.detach())
