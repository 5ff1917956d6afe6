"""Many small diffusion models trained at once: the members' network, draws and optimiser, stacked.

Ground truth for attribution is retraining, and training a hundred networks of 40,000 weights in
turn is mostly overhead of small operations. Models that differ in their works but share timesteps
and noise (``common_works`` off in :class:`attribution.ensemble.recipe.TrainingSettings`) run as one
network, stacked by torch.func. Each ends with the weights of ``creditline train`` for its works, up
to rounding.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.func import functional_call, vmap

from attribution.denoisers.pixels import PixelUNet
from attribution.denoisers.schedule import alpha_bars
from attribution.ensemble.recipe import TrainingSettings
from attribution.sampling.predictions import is_middle, noised_views
from attribution.sampling.schedule import SamplerSettings
from attribution.training.draws import draw
from attribution.training.loop import learning_rate, loss_weight
from registry.home import write_atomically

TOGETHER = 16
"""Models in one stack."""


class CleanDenoiser(nn.Module):
    """The members' network, predicting x0: eps = (x_t - sqrt(abar) x0) / sqrt(1 - abar).

    A network of 16 feature maps on patches of 4 x 4 pixels is too narrow to pass noise through, but
    not too narrow for pictures, at a tenth of the cost.
    """

    signal: Tensor
    grain: Tensor

    def __init__(self, settings: PixelUNet, seed: int) -> None:
        super().__init__()
        self.inner = settings.new_member(seed)
        signal = torch.from_numpy(alpha_bars(SamplerSettings())).float()
        self.register_buffer("signal", signal.sqrt(), persistent=False)
        self.register_buffer("grain", (1.0 - signal).sqrt(), persistent=False)

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        signal, grain = (table[t].view(-1, 1, 1, 1) for table in (self.signal, self.grain))
        eps: Tensor = (x - signal * self.inner(x, t, labels)) / grain
        return eps


@dataclass(frozen=True)
class Stack:
    """Trained models of one shape; every weight has a leading model axis."""

    weights: dict[str, Tensor]
    settings: PixelUNet

    def __len__(self) -> int:
        return len(next(iter(self.weights.values())))

    def model(self, index: int) -> CleanDenoiser:
        """One of the models, for inference."""
        denoiser = CleanDenoiser(self.settings, 0)
        denoiser.load_state_dict({name: value[index] for name, value in self.weights.items()})
        return denoiser.eval().requires_grad_(False)


@dataclass(frozen=True)
class Variation:
    """How a stack trains where it differs from the recipe.

    Every field of the plain recipe: all weights train, from the random start of the seed, at one
    rate that rises once and falls to zero.
    """

    start: Mapping[str, Tensor] | None = None
    """Weights of one model from which all models begin."""
    moving: tuple[str, ...] = ("",)
    """Beginnings of the names of the weights that train; the others stay those of the start."""
    rank: int = 0
    """Of low-rank changes that train in place of the matrices; 0: the weights themselves train."""
    cycles: int = 1
    """How often the rate rises and falls."""

    def parameters(self, start: Mapping[str, Tensor], models: int, seed: int) -> dict[str, Tensor]:
        """What trains, with a leading model axis, as it begins; all models begin alike."""
        moving = {name: value for name, value in start.items() if name.startswith(self.moving)}
        if self.rank:
            generator = torch.Generator().manual_seed(seed)
            factors: dict[str, Tensor] = {}
            for name, value in moving.items():
                if value.ndim > 1:
                    inputs = value[0].numel()
                    factors[f"{name}.down"] = torch.randn(self.rank, inputs, generator=generator) / inputs**0.5
                    factors[f"{name}.up"] = torch.zeros(len(value), self.rank)
            moving = factors
        return {
            name: value.detach().expand(models, *value.shape).clone().requires_grad_() for name, value in moving.items()
        }

    def weights(self, start: Mapping[str, Tensor], parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """All weights of one model, from what trained."""
        if not self.rank:
            return {**start, **parameters}
        changed = dict(start)
        for name in parameters:
            if name.endswith(".up"):
                whole = name.removesuffix(".up")
                change = parameters[name] @ parameters[f"{whole}.down"]
                changed[whole] = start[whole] + change.view_as(start[whole])
        return changed

    def rate(self, training: TrainingSettings, step: int) -> float:
        """The learning rate of a step."""
        length = training.steps // self.cycles
        return learning_rate(replace(training, steps=length), step % length)


PLAIN = Variation()


def trained(
    folder: Path,
    name: str,
    images: Float[Tensor, "work channel height width"],
    membership: Bool[np.ndarray, "model work"],
    network: PixelUNet,
    training: TrainingSettings,
) -> Stack:
    """Train one model per row of ``membership``, or read those that ``folder`` has.

    Models in the folder are not trained again: an interrupted run continues with the next stack.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for start in range(0, len(membership), TOGETHER):
        path = folder / f"{name}-{start:03d}.safetensors"
        if not path.exists():
            began = time.monotonic()
            rows = [torch.from_numpy(np.flatnonzero(row)) for row in membership[start : start + TOGETHER]]
            weights = train_stack([images[row] for row in rows], network, training)
            write_atomically(path, lambda part, weights=weights: save_file(weights, part))  # type: ignore[misc]
            print(f"{path.name}: {len(rows)} models in {time.monotonic() - began:.0f} s", flush=True)
        parts.append(load_file(path))
    return Stack({key: torch.cat([part[key] for part in parts]) for key in parts[0]}, network)


def with_checkpoints(
    images: Tensor, network: PixelUNet, training: TrainingSettings, steps: Sequence[int]
) -> tuple[list[dict[str, Tensor]], list[float]]:
    """The weights of one model of all images after each of ``steps``, and the learning rates."""
    kept: list[dict[str, Tensor]] = []

    def keep(step: int, weights: dict[str, Tensor]) -> None:
        if step in steps:
            kept.append({name: value[0].detach().clone() for name, value in weights.items()})

    train_stack([images], network, training, keep)
    return kept, [learning_rate(training, step - 1) for step in steps]


def train_stack(
    works: Sequence[Tensor],
    network: PixelUNet,
    training: TrainingSettings,
    after: Callable[[int, dict[str, Tensor]], None] = lambda _step, _weights: None,
    variation: Variation = PLAIN,
) -> dict[str, Tensor]:
    """The training step of :mod:`attribution.training.member` for one stack of models.

    ``after`` gets the number of steps done and what trains, with a leading model axis.
    """
    base = CleanDenoiser(network, training.seed).train()
    start = {name: value.detach() for name, value in (variation.start or dict(base.named_parameters())).items()}
    weights = variation.parameters(start, len(works), training.seed)
    optimiser = torch.optim.AdamW(
        list(weights.values()), lr=training.learning_rate, betas=(0.9, 0.99), weight_decay=0.0, fused=True
    )
    schedule = SamplerSettings(
        train_steps=training.train_steps, beta_start=training.beta_start, beta_end=training.beta_end
    )
    alpha_bar = torch.from_numpy(alpha_bars(schedule)).float()
    for step in range(training.steps):
        drawn = [draw(training, step, None, len(images), images.shape[1:]) for images in works]
        t, noise = drawn[0].t, drawn[0].noise
        signal = alpha_bar[t].view(-1, 1, 1, 1)
        clean = torch.stack([images[one.rows] for images, one in zip(works, drawn, strict=True)])
        noisy = signal.sqrt() * clean + (1.0 - signal).sqrt() * noise
        weight = loss_weight(signal.flatten(), training.snr_cap)

        def loss(
            parameters: dict[str, Tensor],
            x_t: Tensor,
            t: Tensor = t,
            noise: Tensor = noise,
            weight: Tensor = weight,
        ) -> Tensor:
            predicted: Tensor = functional_call(base, variation.weights(start, parameters), (x_t, t))
            return ((predicted - noise).square().mean(dim=(1, 2, 3)) * weight).mean()

        for group in optimiser.param_groups:
            group["lr"] = variation.rate(training, step)
        optimiser.zero_grad()
        total: Tensor = vmap(loss)(weights, noisy).sum()
        torch.autograd.backward(total)
        optimiser.step()
        after(step + 1, weights)
    return full_weights(variation, start, weights)


def full_weights(
    variation: Variation, start: Mapping[str, Tensor], parameters: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """All weights of a stack, with a leading model axis, from what trained."""
    kept = {name: value.detach() for name, value in parameters.items()}
    found: dict[str, Tensor] = vmap(lambda one: variation.weights(start, one))(kept)
    return {name: value.contiguous() for name, value in found.items()}


@torch.no_grad()
def denoising_losses(
    stack: Stack,
    images: Float[Tensor, "image channel height width"],
    seeds: Sequence[int],
    settings: SamplerSettings,
    report: Callable[[int], None] = lambda _done: None,
) -> Float64[np.ndarray, "image model"]:
    """Per image in [-1, 1] and model, the loss of :func:`attribution.sampling.predictions.renoise`.

    The noise of image k is a function of ``seeds[k]``, so all models meet the same noise.
    """
    base = CleanDenoiser(stack.settings, 0).eval()
    looks = [look for look in noised_views(settings) if is_middle(look.step)]
    t = torch.tensor([look.step.timestep for look in looks])
    losses = np.empty((len(images), len(stack)))
    for row, (image, seed) in enumerate(zip(images, seeds, strict=True)):
        noise = torch.stack([look.noise(seed, image) for look in looks])
        x_t = torch.stack([look.noised(image, z) for look, z in zip(looks, noise, strict=True)])
        for start in range(0, len(stack), TOGETHER):
            part = {name: value[start : start + TOGETHER] for name, value in stack.weights.items()}
            eps = vmap(lambda p, x=x_t: functional_call(base, p, (x, t)))(part)
            error = (eps - noise).double().square().flatten(2).mean(dim=(1, 2))
            losses[row, start : start + len(error)] = error.numpy()
        report(row + 1)
    return losses
