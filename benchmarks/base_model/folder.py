"""Writes the base as a diffusers folder in half precision, with its card and a grid of pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from attribution.denoisers.libraries import diffusers
from benchmarks.base_model.checkpoints import Average, kept_step
from benchmarks.base_model.denoiser import (
    ALL_WORKS_STEPS,
    BATCH,
    FALL,
    FIGURE_STEPS,
    RATE,
    SIMPLE_MOTIFS,
    networks,
    noise_schedule,
    scaled_latents,
)
from benchmarks.base_model.tokenizer import clip_tokenizer

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

PROMPTS = (
    "a cat face in the style of noto",
    "a cat face in the style of fluent",
    "red apple in the style of fluent flat",
    "red apple in the style of noto classic",
    "rocket in the style of noto",
    "pizza in the style of fluent",
    "sun with face in the style of noto",
    "frog in the style of noto classic",
    "butterfly in the style of fluent flat",
    "snowman in the style of noto",
    "cactus, fluent flat style",
    "face with tears of joy in the style of noto",
    "a penguin in the style of fluent",
    "house in the style of noto",
    "strawberry in the style of noto classic",
    "a bicycle in the style of noto",
)
GUIDANCE, SAMPLING_STEPS, ACROSS, SHOWN = 4.0, 30, 8, 96


def write_folder(kept: Path, out: Path) -> None:
    """Write the pipeline, ``README.md`` and ``grid.png`` into ``out``."""
    works, both = np.load(kept / "works.npz"), networks()
    average = Average(both)
    steps = kept_step(kept / "unet.ckpt", both, torch.optim.AdamW(both.parameters(), fused=True), average)
    both.load_state_dict(average.state)
    _, scale = scaled_latents(kept, works["images"])
    vae = diffusers().AutoencoderTiny.from_pretrained(kept / "vae")
    # The folder must not name the place where it was made.
    vae.register_to_config(scaling_factor=scale, _name_or_path="")
    pipeline = diffusers().StableDiffusionPipeline(
        vae=vae,
        text_encoder=both["t"],
        tokenizer=clip_tokenizer(),
        unet=both["u"],
        scheduler=diffusers().DDIMScheduler.from_config(noise_schedule().config, set_alpha_to_one=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.to(torch.float16).save_pretrained(out, safe_serialization=True)
    pipeline.to(torch.float32)
    _grid(pipeline).save(out / "grid.png", optimize=True)
    (out / "README.md").write_text(_card(json.loads((kept / "houses.json").read_text()), works, steps))


def _grid(pipeline: StableDiffusionPipeline) -> Image.Image:
    pipeline.set_progress_bar_config(disable=True)
    pictures = pipeline(
        list(PROMPTS),
        guidance_scale=GUIDANCE,
        num_inference_steps=SAMPLING_STEPS,
        generator=[torch.Generator().manual_seed(5) for _ in PROMPTS],
    ).images
    grid = Image.new("RGB", (ACROSS * SHOWN, len(PROMPTS) // ACROSS * SHOWN), "white")
    for place, picture in enumerate(pictures):
        shown = picture.resize((SHOWN, SHOWN), Image.Resampling.LANCZOS)
        grid.paste(shown, (place % ACROSS * SHOWN, place // ACROSS * SHOWN))
    return grid


def _card(houses: list[dict[str, str]], works: np.lib.npyio.NpzFile, steps: int) -> str:
    rows = "\n".join(
        f"| {house['package']} | {house['author']} | {house['licence']} | "
        f"{int((works['house'] == house['package'].split('/')[-1].split('@')[0]).sum())} | "
        f'"{house["style"]}" | `{house["sha256"]}` |'
        for house in houses
    )
    prompts = "\n".join(f"{place}. {prompt}" for place, prompt in enumerate(PROMPTS, 1))
    return _CARD.format(
        works=len(works["images"]),
        motifs=len(np.unique(works["name"])),
        datasets="\n".join(f"- {house['package']}" for house in houses),
        rows=rows,
        steps=steps,
        all_steps=ALL_WORKS_STEPS,
        figure_steps=FIGURE_STEPS,
        simple=SIMPLE_MOTIFS,
        fall=FALL,
        batch=BATCH,
        rate=RATE,
        guidance=GUIDANCE,
        sampling=SAMPLING_STEPS,
        prompts=prompts,
    )


_CARD = """---
license: apache-2.0
pipeline_tag: text-to-image
library_name: diffusers
datasets:
{datasets}
---

# creditline's small base

A text-to-image model of emoji, 64x64 pixels, for demonstrations and tests of creditline: a base on
which adapters are trained in minutes on a processor. It is too small for anything else.

| part | what |
|---|---|
| `vae` | `AutoencoderTiny` of width 32; latents of 4x16x16 |
| `text_encoder` | `CLIPTextModel`, 2 layers of width 128, 32 tokens; trained with the UNet |
| `tokenizer` | CLIP's byte pairs (MIT), cut to the first 6,000 merges |
| `unet` | `UNet2DConditionModel` of widths 48, 80, 112; predicts noise (epsilon) |

## What it was trained on

{works} drawings of {motifs} motifs, from five sets under permissive licences, rendered on white.
Skin tones, flags and letter buttons are left out.

| package | author | licence | drawings | style in captions | SHA-256 of icons.json |
|---|---|---|---|---|---|
{rows}

No other works were used, except that the VAE's loss compares features of a SqueezeNet that was
trained on ImageNet. The demonstration's houses, Twemoji and OpenMoji, are not among them.

A caption is the drawing's name, most often with its style: "a cat face in the style of noto".

## How it was trained

UNet and text encoder: {steps} steps of {batch} works, AdamW at {rate}, min-SNR weights; the weights
are a moving average. Steps up to {all_steps} drew from all works; up to {figure_steps} from those
without people, hands, clocks, letters and signs; later ones from the {simple} simplest motifs that
all large sets draw. The learning rate was constant, and fell from half of that to nothing in the
last {fall}. `python -m benchmarks.base_model` trains a base in the same way.

## What it makes

![Sixteen pictures](grid.png)

{sampling} steps, guidance {guidance}, seed 5, by row:

{prompts}

## Licence

Apache-2.0, as the strictest of the drawings' licences; the licences' texts and notices are those of
the packages above.
"""
