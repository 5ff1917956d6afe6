"""Chunks become smaller as bases become larger, on a CPU and on a GPU."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest
import torch

from attribution.denoisers.libraries import diffusers
from attribution.denoisers.text_to_image.memory import (
    EVALUATIONS_ON_CPU,
    bytes_to_train,
    evaluations_at_once,
    tangents_at_once,
)

pytestmark = pytest.mark.skipif(find_spec("transformers") is None, reason="the extra text-to-image is not installed")

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def unet_of(width: int) -> Any:  # noqa: ANN401  # a diffusers model
    """The form of Stable Diffusion 1.5 without weights; at width 320 the model itself."""
    with torch.device("meta"):
        return diffusers().UNet2DConditionModel(
            block_out_channels=(width, 2 * width, 4 * width, 4 * width), cross_attention_dim=768
        )


def test_stable_diffusion_is_cut_into_chunks() -> None:
    """At 512 pixels: some evaluations and one tangent at a time on a CPU, more on a GPU."""
    sd = unet_of(320)
    assert 4 <= evaluations_at_once(CPU, 320, 64) < 16 < evaluations_at_once(GPU, 320, 64)
    assert tangents_at_once(CPU, 1, sd, 64, 512) == 1
    assert 1 < tangents_at_once(GPU, 1, sd, 64, 512) < 16
    assert tangents_at_once(CPU, 1, sd, 32, 256) > 1


def test_a_small_base_is_not_cut() -> None:
    """At 64 pixels all tangents of 16 members go together."""
    assert evaluations_at_once(CPU, 32, 16) == EVALUATIONS_ON_CPU
    assert tangents_at_once(CPU, 1, unet_of(32), 16, 64) >= 16


def test_rows_share_the_memory() -> None:
    """Twice the rows, half the tangents; twice the side of a latent, four times the bytes."""
    unet = unet_of(32)
    one, two = (tangents_at_once(CPU, rows, unet, 16, 64) for rows in (1, 2))
    assert one // 2 == two
    assert tangents_at_once(CPU, 10**9, unet, 16, 64) == 1
    assert bytes_to_train(3, 320, 64) == 12 * bytes_to_train(1, 320, 32)
