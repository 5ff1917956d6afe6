"""Noised views: the pinned timesteps and noise under which rankers differentiate every picture.

All pictures share the views, so the difference of two pictures stands out from the noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from attribution.denoisers.schedule import alpha_bars
from attribution.ranking.rankers.kernel import encoded_pictures
from attribution.sampling.noise import standard_normal
from attribution.sampling.predictions import NOISIEST
from attribution.sampling.schedule import SamplerSettings
from attribution.training.loop import loss_weight
from attribution.training.reference_model import ReferenceModel

CLEAREST = 0.95
"""sqrt(alpha_bar) up to which a picture is decided, as for the losses of members."""
NOISE_SEED, NOISE_STREAM = 0, 1 << 25
"""Noise of the views; sampling, re-noising and responsibilities use smaller streams."""


@dataclass(frozen=True)
class NoisedViews:
    """Timesteps and noise, with the weight of each view in the training loss."""

    timesteps: Tensor
    noise: Float[Tensor, "view channel height width"]
    weight: Float[Tensor, " view"]
    signal: Float[Tensor, " view"]
    """alpha_bar at the timesteps."""

    @classmethod
    def spread(cls, count: int, schedule: SamplerSettings, snr_cap: float, shape: tuple[int, int, int]) -> NoisedViews:
        """Timesteps spread evenly over the schedule."""
        return cls._evenly(count, torch.arange(schedule.train_steps), schedule, snr_cap, shape)

    @classmethod
    def middle(cls, count: int, schedule: SamplerSettings, snr_cap: float, shape: tuple[int, int, int]) -> NoisedViews:
        """Timesteps spread evenly over those that decide on a picture; if none, over all."""
        level = torch.from_numpy(alpha_bars(schedule)).sqrt()
        decided = ((level > NOISIEST) & (level <= CLEAREST)).nonzero().flatten()
        chosen = decided if len(decided) else torch.arange(schedule.train_steps)
        return cls._evenly(count, chosen, schedule, snr_cap, shape)

    @classmethod
    def _evenly(
        cls, count: int, among: Tensor, schedule: SamplerSettings, snr_cap: float, shape: tuple[int, int, int]
    ) -> NoisedViews:
        timesteps = among[((torch.arange(count) + 0.5) / count * len(among)).long()]
        signal = torch.from_numpy(alpha_bars(schedule)).float()[timesteps]
        noise = [standard_normal(NOISE_SEED, NOISE_STREAM + view, math.prod(shape)) for view in range(count)]
        return cls(
            timesteps,
            torch.from_numpy(np.stack(noise)).reshape(count, *shape),
            loss_weight(signal, snr_cap),
            signal,
        )

    def __len__(self) -> int:
        return len(self.timesteps)

    def of(self, images: Float[Tensor, "image channel height width"]) -> Float[Tensor, "row channel height width"]:
        """Every image in every view, image by image."""
        signal = self.signal.view(-1, 1, 1, 1)
        return (signal.sqrt() * images[:, None] + (1.0 - signal).sqrt() * self.noise).flatten(0, 1)


def latent_shape(model: ReferenceModel, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Shape of a picture of ``shape`` (channels, height, width) in the space of the model."""
    channels, height, width = encoded_pictures(np.zeros((1, *shape), dtype=np.float32), model.space).shape[1:]
    return channels, height, width


def reference_settings(model: ReferenceModel, views: int) -> dict[str, Any]:
    """Settings of a ranker that differentiates the reference model over noised views."""
    return {
        "reference_sha256": model.weights_sha256,
        "schedule": model.schedule.to_json(),
        "snr_cap": model.snr_cap,
        "looks": views,
    }
