"""Many small models trained at once on common draws: models differ only by their works.

At every step all works stand in one random order, with a timestep and noise each; a model trains on
the first of *its* works in this order, as :func:`attribution.training.draws.draw_works` deals them.
So retraining without a work changes nothing but that work's place in the batches.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.func import functional_call, vmap

from attribution.denoisers.schedule import alpha_bars
from attribution.sampling.schedule import SamplerSettings
from attribution.training.loop import learning_rate, loss_weight
from benchmarks.lds.models import CleanDenoiser, Stack
from benchmarks.shares.sets import Set
from registry.home import write_atomically

TOGETHER = 24
"""Models in one stack."""


def trained(works: Set, folder: Path, name: str, rows: Bool[np.ndarray, "model work"]) -> Stack:
    """One model per row, from the folder or trained now, a stack at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    images, parts = works.images(), []
    for start in range(0, len(rows), TOGETHER):
        path = folder / f"{name}-{start:03d}.safetensors"
        if not path.exists():
            began = time.monotonic()
            weights = _train(works, images[: rows.shape[1]], rows[start : start + TOGETHER])
            write_atomically(path, lambda part, weights=weights: save_file(weights, part))  # type: ignore[misc]
            print(f"{works.name} {path.name}: {time.monotonic() - began:.0f} s", flush=True)
        parts.append(load_file(path))
    return Stack({key: torch.cat([part[key] for part in parts]) for key in parts[0]}, works.network)


def _train(
    works: Set, images: Float[Tensor, "work channel height width"], rows: Bool[np.ndarray, "model work"]
) -> dict[str, Tensor]:
    training = works.training
    base = CleanDenoiser(works.network, training.seed).train()
    weights = {
        name: value.detach().expand(len(rows), *value.shape).clone().requires_grad_()
        for name, value in base.named_parameters()
    }
    optimiser = torch.optim.AdamW(
        list(weights.values()), lr=training.learning_rate, betas=(0.9, 0.99), weight_decay=0.0, fused=True
    )
    alpha_bar = torch.from_numpy(alpha_bars(SamplerSettings())).float()
    generator = torch.Generator().manual_seed(training.seed)
    # Places for every work that a set may have, so that the draws do not depend on their number.
    places = len(works.works)
    for step in range(training.steps):
        lots = torch.rand(places, generator=generator).numpy()[: len(images)]
        t_of_work = torch.randint(training.train_steps, (places,), generator=generator)
        noise_of_work = torch.randn(places, *images.shape[1:], generator=generator)
        order = np.argsort(np.where(rows, lots, 2.0), axis=1, kind="stable")[:, : training.batch_size]
        chosen = torch.from_numpy(order)
        # A model of fewer works than a batch has rows trains on all of them.
        kept = torch.from_numpy(np.take_along_axis(rows, order, axis=1)).float()
        t, noise, clean = t_of_work[chosen], noise_of_work[chosen], images[chosen]
        signal = alpha_bar[t][..., None, None, None]
        noisy = signal.sqrt() * clean + (1.0 - signal).sqrt() * noise
        weight = loss_weight(alpha_bar[t].flatten(), training.snr_cap).view_as(kept) * kept

        def loss(parameters: dict[str, Tensor], x_t: Tensor, t: Tensor, noise: Tensor, weight: Tensor) -> Tensor:
            predicted: Tensor = functional_call(base, parameters, (x_t, t))
            return ((predicted - noise).square().mean(dim=(1, 2, 3)) * weight).sum()

        for group in optimiser.param_groups:
            group["lr"] = learning_rate(training, step)
        optimiser.zero_grad()
        losses: Tensor = vmap(loss)(weights, noisy, t, noise, weight)
        torch.autograd.backward((losses / kept.sum(dim=1)).sum())
        optimiser.step()
    return {name: value.detach().contiguous() for name, value in weights.items()}
