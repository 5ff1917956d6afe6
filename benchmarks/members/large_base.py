"""A base of the architecture of Stable Diffusion 1.5, with random weights.

UNet of 860 M weights, ``AutoencoderKL``, the text encoder of CLIP ViT-L. Trained weights cost the
same seconds and memory.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from attribution.denoisers.libraries import diffusers, transformers
from benchmarks.tiny_base import tiny_tokenizer

WIDTH = 320
"""Channels of the UNet's first block in Stable Diffusion 1.5."""


def save_large_base(folder: Path, width: int) -> Path:
    """The pipeline in half precision; with smaller parts below the width of Stable Diffusion."""
    library = diffusers()
    text = {"num_hidden_layers": 12, "intermediate_size": 3072} if width == WIDTH else {"num_hidden_layers": 2}
    with torch.device("meta"):
        networks = {
            "unet": library.UNet2DConditionModel(
                sample_size=64,
                in_channels=4,
                out_channels=4,
                layers_per_block=2,
                block_out_channels=(width, 2 * width, 4 * width, 4 * width),
                down_block_types=(*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
                up_block_types=("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
                cross_attention_dim=768,
                attention_head_dim=8,
            ),
            "vae": library.AutoencoderKL(
                sample_size=512,
                latent_channels=4,
                block_out_channels=(128, 256, 512, 512) if width == WIDTH else (32, 32, 32, 32),
                layers_per_block=2,
                down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4,
                scaling_factor=0.18215,
            ),
            "text_encoder": transformers().CLIPTextModel(
                transformers().CLIPTextConfig(hidden_size=768, num_attention_heads=12, projection_dim=768, **text)
            ),
        }
    pipeline = library.StableDiffusionPipeline(
        **{name: _filled(network) for name, network in networks.items()},
        tokenizer=tiny_tokenizer(77),
        scheduler=library.PNDMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1
        ),
        feature_extractor=None,
        safety_checker=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    return folder


def _filled(network: nn.Module) -> nn.Module:
    """A network with random weights, all from one block of numbers: drawing all is slow."""
    network = network.to(torch.float16).to_empty(device="cpu")
    block = 0.02 * torch.randn(2**20, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for value in network.parameters():
            flat = value.view(-1)
            for start in range(0, len(flat), len(block)):
                flat[start : start + len(block)] = block[: len(flat) - start]
    return network
