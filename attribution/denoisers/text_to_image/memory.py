"""What fits into memory at once: evaluations, tangents, and rows of a training pass.

The numbers are estimates from the form of the base alone, and too large rather than too small;
``benchmarks/members/real_size.py`` measures what they bound. "Activations" below are of the first
block's size: its channels times the places of a latent.
"""

from __future__ import annotations

from typing import Any

import torch

EVALUATIONS_ON_CPU = 32
"""Most evaluations in one call of the UNet on a CPU: more gain little there."""
ON_CPU, ON_GPU = 2 * 2**30, 8 * 2**30
"""Bytes of activations that one call may take."""
HELD = 50
"""Activations that one evaluation is taken to hold at a time. In float32, for Stable Diffusion 1.5
at 512 pixels: 50 of 320 x 64 x 64 values."""
HELD_BY_DECODER = 1024
"""Values that the autoencoder holds at a time for each pixel."""
KEPT_TO_TRAIN = 600
"""Activations of 2 bytes per value that one row keeps for its gradients. By count without the
weights of attention, which no GPU kernel keeps: 320 for Stable Diffusion 1.5, 560 for SDXL; on a
GPU some are kept in float32."""


def evaluations_at_once(device: torch.device, width: int, latent_size: int) -> int:
    """Evaluations of a UNet whose first block has ``width`` channels."""
    fitting = max(2, _values(device) // (HELD * width * latent_size**2))
    return min(EVALUATIONS_ON_CPU, fitting) if device.type == "cpu" else fitting


def tangents_at_once(device: torch.device, rows: int, unet: Any, latent_size: int, size: int) -> int:  # noqa: ANN401  # a diffusers model
    """Tangents of ``rows`` rows, in a member under two texts or in the decoder.

    ``unet``: the base's, with or without weights. Tangents go through attention as plain matrix
    products, which hold all weights of a layer.
    """
    heads = [
        (int(name.split(".")[1]), module.heads)
        for name, module in unet.named_modules()
        if name.startswith("down_blocks.") and name.endswith(".attn1")
    ]
    attention: int = max((count * (latent_size >> level) ** 4 for level, count in heads), default=0)
    width = int(unet.config.block_out_channels[0])
    member = 2 * (HELD * width * latent_size**2 + 4 * attention)
    return max(1, _values(device) // (rows * max(member, HELD_BY_DECODER * size**2)))


def bytes_to_train(rows: int, width: int, latent_size: int) -> int:
    """Bytes on a GPU that a training pass over some rows keeps for its gradients."""
    return rows * 2 * KEPT_TO_TRAIN * width * latent_size**2


def _values(device: torch.device) -> int:
    """Values of activations that one call may hold: of 4 bytes on a CPU, of 2 on a GPU."""
    return ON_CPU // 4 if device.type == "cpu" else ON_GPU // 2
