"""Trains the UNet and the text encoder of the base, together, on the VAE's latents.

Noise is predicted (epsilon) under Stable Diffusion's schedule; the loss has min-SNR weights [Hang
et al. 2023]. A caption names the motif, most often with the style of its house.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from attribution.denoisers.libraries import diffusers, transformers
from benchmarks.base_model.checkpoints import Average, keep, kept_step
from benchmarks.base_model.tokenizer import LENGTH, clip_tokenizer
from benchmarks.base_model.works import HOUSES

if TYPE_CHECKING:
    from diffusers import DDPMScheduler, UNet2DConditionModel

STEPS = 14_000
FALL = 1_000
"""Steps at the end in which the learning rate falls from half its value to nothing."""
WARM_UP = 300
BATCH = 32
RATE = 8e-4
MIN_SNR = 5.0
EVERY = 500
ALL_WORKS_STEPS, FIGURE_STEPS = 3_500, 4_000
"""Last steps that draw from all works, and from motifs without :data:`LEFT_LATER`; the later ones
draw from the simple ones among these."""
SIMPLE_MOTIFS = 480
LARGE_HOUSES = frozenset(HOUSES) - {"fxemoji"}
"""The houses that draw nearly all motifs."""
_LEFT_LATER = """
man men woman women person people family couple boy girl child adult old baby prince princess guard worker
officer detective elf fairy vampire mage genie zombie superhero supervillain troll santa claus ninja teacher
student farmer cook firefighter judge mechanic pilot scientist singer technologist astronaut artist dancer
police pregnant breast merman mermaid merperson silhouette hand hands finger fingers fist foot leg ear palm
palms thumbs index clapping eye eyes mouth tongue lungs bone oclock thirty clock arrow arrows square circle
diamond triangle symbol sign mark button suit zone prohibited no input japanese chart heavy aries taurus
gemini cancer leo virgo libra scorpius scorpio sagittarius capricorn aquarius pisces ophiuchus letter
"""
LEFT_LATER = frozenset(_LEFT_LATER.split())
"""People, hands, clocks, letters and signs: a third of the works, too fine for this network."""
WIDTH = 128
"""Width of the text encoder."""
STYLED = (
    "a {motif} in the style of {style}",
    "{motif} in the style of {style}",
    "{motif}, {style} style",
    "a {motif}, {style} style",
    "an emoji of {motif} in the style of {style}",
)
PLAIN = ("{motif}", "a {motif}", "an emoji of {motif}")
EMPTY_SHARE, PLAIN_SHARE = 0.1, 0.15
"""Shares of empty captions, for guidance, and of the others without a style."""


def noise_schedule() -> DDPMScheduler:
    """Stable Diffusion's schedule."""
    return diffusers().DDPMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        num_train_timesteps=1000,
        clip_sample=False,
        steps_offset=1,
    )


def base_unet(text_width: int = WIDTH) -> UNet2DConditionModel:
    """The UNet before training, for texts of this width."""
    return diffusers().UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        block_out_channels=(48, 80, 112),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=text_width,
        attention_head_dim=4,
        norm_num_groups=8,
    )


def networks() -> nn.ModuleDict:
    """``t``, the text encoder, and ``u``, the UNet, before training."""
    tokenizer = clip_tokenizer()
    text = transformers().CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=LENGTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        hidden_act="quick_gelu",
        projection_dim=WIDTH,
    )
    return nn.ModuleDict(
        {"t": transformers().CLIPTextModel(text), "u": base_unet().to(memory_format=torch.channels_last)}
    )


def train_denoiser(kept: Path, steps: int) -> None:
    """Train to ``steps``, from the last checkpoint if there is one; it ends in ``unet.ckpt``."""
    torch.manual_seed(1)
    works, tokenizer = np.load(kept / "works.npz"), clip_tokenizer()
    latents, scale = scaled_latents(kept, works["images"])
    figures = np.array([LEFT_LATER.isdisjoint(name.split("-")) for name in works["name"]])
    pools = {
        ALL_WORKS_STEPS: np.arange(len(latents)),
        FIGURE_STEPS: np.flatnonzero(figures),
        steps: np.flatnonzero(np.isin(works["name"], simple_motifs(works, figures))),
    }
    both = networks()
    optimiser = torch.optim.AdamW(both.parameters(), RATE, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    average = Average(both)
    first = kept_step(kept / "unet.ckpt", both, optimiser, average)
    kept_products, begun, losses = noise_schedule().alphas_cumprod, time.monotonic(), []
    for step in range(first, steps):
        for group in optimiser.param_groups:
            group["lr"] = _rate(step, steps)
        picks, draws = np.random.default_rng([3, step]), torch.Generator().manual_seed(1000 + step)
        pool = next(pool for last, pool in pools.items() if step < last)
        chosen = pool[picks.integers(len(pool), size=BATCH)]
        captions = [_caption(works["name"][work], works["house"][work], picks) for work in chosen]
        tokens = tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids
        texts = both["t"](tokens).last_hidden_state
        loss = _loss(both["u"], latents[chosen], texts, kept_products, draws)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        optimiser.step()
        average.update(both, step)
        losses.append(float(loss.detach()))
        if (step + 1) % EVERY == 0 or step + 1 == steps:
            keep(kept / "unet.ckpt", both, optimiser, average, step + 1)
            mean = sum(losses[-EVERY:]) / len(losses[-EVERY:])
            print(f"{step + 1} of {steps}: loss {mean:.4f}, {time.monotonic() - begun:.0f} s", flush=True)
    print(f"latents are scaled by {scale:.4f}")


def _rate(step: int, steps: int) -> float:
    """The learning rate: a warm-up, then constant, then the fall of :data:`FALL`."""
    left = steps - step
    return RATE * min(1.0, (step + 1) / WARM_UP) * (max(0.01, 0.5 * left / FALL) if left <= FALL else 1.0)


def simple_motifs(works: Mapping[str, np.ndarray], figures: np.ndarray) -> list[str]:
    """Of the motifs that every large house draws, those whose pixels change least."""
    pixels = works["images"].astype(np.float32) / 255
    change = sum(np.abs(np.diff(pixels, axis=axis)).mean((1, 2, 3)) for axis in (1, 2))
    drawn: dict[str, dict[str, float]] = defaultdict(dict)
    for place in np.flatnonzero(figures):
        drawn[works["name"][place]][works["house"][place]] = float(change[place])
    common = {motif: by for motif, by in drawn.items() if set(by) >= LARGE_HOUSES}
    return sorted(common, key=lambda motif: float(np.mean(list(common[motif].values()))))[:SIMPLE_MOTIFS]


@torch.no_grad()
def scaled_latents(kept: Path, images: np.ndarray) -> tuple[Tensor, float]:
    """Latents of all works, [work, 4, 16, 16], of deviation 1, and their scale."""
    vae = diffusers().AutoencoderTiny.from_pretrained(kept / "vae").eval()
    parts = (torch.from_numpy(part).permute(0, 3, 1, 2).float() / 127.5 - 1 for part in np.array_split(images, 60))
    latents = torch.cat([vae.encode(part).latents for part in parts])
    scale = 1 / float(latents.std())
    return latents * scale, scale


def _caption(icon: str, house: str, picks: np.random.Generator) -> str:
    if picks.random() < EMPTY_SHARE:
        return ""
    texts = PLAIN if picks.random() < PLAIN_SHARE else STYLED
    return texts[picks.integers(len(texts))].format(motif=icon.replace("-", " "), style=HOUSES[house])


def _loss(unet: nn.Module, latents: Tensor, texts: Tensor, products: Tensor, draws: torch.Generator) -> Tensor:
    """Min-SNR-weighted squared error; a batch's times are spread over all times."""
    rows = len(latents)
    times = ((torch.arange(rows) + torch.rand(rows, generator=draws)) / rows * len(products)).long()
    times = times.clamp(max=len(products) - 1)
    noise = torch.randn(latents.shape, generator=draws)
    product = products[times].view(-1, 1, 1, 1)
    noised = (product.sqrt() * latents + (1 - product).sqrt() * noise).contiguous(memory_format=torch.channels_last)
    predicted = unet(noised, times, encoder_hidden_states=texts).sample
    ratio = product / (1 - product)
    loss: Tensor = (ratio.clamp(max=MIN_SNR) / ratio * (predicted - noise).square()).mean()
    return loss
