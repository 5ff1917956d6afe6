"""Encoded ensembles of several experiments: trained once, kept outside the repository, resumable.

Training on arrays needs no registry. Codes, draws, loss weights, learning rates, sampling, ablation
and Jacobians are the product's own functions; members that are UNets are also trained, kept and
opened by the product.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8, UInt64
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from attribution.denoisers.ensemble import Ensemble
from attribution.denoisers.pixels import PixelUNet
from attribution.ensemble.recipe import EnsembleSettings, TrainingSettings
from attribution.images import ImageSettings, from_pixels
from attribution.sampling.noise import noise_batch
from attribution.sampling.sampler import sample
from attribution.sampling.schedule import SamplerSettings
from attribution.training.dataset import TrainingSet
from attribution.training.draws import draw
from attribution.training.loop import CHECKPOINT_SECONDS, TrainingRun, learning_rate, loss_weight
from benchmarks.papers.digits import flat
from benchmarks.papers.memorisers import Memorisers
from benchmarks.papers.networks import ALPHA_BAR, Perceptron, Shape, new_stack, stacked_eps
from registry.encodings.codes import codes_of
from registry.encodings.words import bits
from registry.home import write_atomically, write_folder_atomically
from registry.ids import content_id

SAMPLER = SamplerSettings()
"""50-step DDPM, as in ABC."""
CHECKPOINT_STEPS = 200
ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class Perceptrons:
    """Sizes of the members of :mod:`benchmarks.papers.networks`."""

    width: int = 160
    blocks: int = 2


@dataclass(frozen=True)
class Recipe:
    """The settings of an ensemble; by default members share no draws, as in the papers."""

    n: int = 16
    h: int = 8
    encoding_seed: int = 0
    network: Perceptrons | PixelUNet | Memorisers = field(default_factory=Perceptrons)
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            steps=2000, batch_size=64, learning_rate=3e-3, common_draws=False, common_works=False, train_steps=1000
        )
    )


UNET = PixelUNet(size=8, channels=1, widths=(32,), patch=4)
RECIPES = {
    "perceptron": Recipe(),
    "unet": Recipe(
        n=12,
        h=6,
        network=UNET,
        training=TrainingSettings(steps=24_000, batch_size=32, learning_rate=8e-3),
    ),
    "memoriser": Recipe(n=12, h=6, network=Memorisers()),
}
"""By the name of the members' network. UNets share start, draws and works."""
SHORT = 1500
"""Steps of UNets of more works than those of :data:`COPYING`: too few to copy."""
COPYING = {64: 3_000, 300: 24_000}
"""By units, at most: steps of UNets that copy works (see ``e12_near_copies``)."""
CODES_OF_TWELVE = 300
"""Units up to which 12 members have codes, and decoys enough for a test."""


def recipe_for(network: str, units: int) -> Recipe:
    """The settings of an ensemble on this many units."""
    recipe = RECIPES[network]
    if network == "perceptron":
        return recipe
    if network == "unet":
        steps = next((steps for most, steps in COPYING.items() if units <= most), SHORT)
        recipe = replace(recipe, training=replace(recipe.training, steps=min(steps, recipe.training.steps)))
    return recipe if units <= CODES_OF_TWELVE else replace(recipe, n=16, h=8)


@dataclass(frozen=True)
class Trained:
    """An ensemble with its works."""

    id: str
    recipe: Recipe
    ensemble: Ensemble
    works: UInt8[np.ndarray, "work height width"]
    unit_of_work: Int64[np.ndarray, " work"]
    membership: Bool[np.ndarray, "unit member"]
    facts: dict[str, Any]
    """Facts of the ensemble in a result."""

    @property
    def side(self) -> int:
        return int(self.works.shape[1])

    @property
    def units(self) -> int:
        return len(self.membership)

    def noise(self, seeds: Sequence[int]) -> Float[Tensor, "batch draw channel height width"]:
        """The exogenous noise of samples with these seeds."""
        return noise_batch(list(seeds), SAMPLER.draws, (1, self.side, self.side))

    def draw(
        self, seeds: Sequence[int], weights: Float[Tensor, "batch member"] | None = None
    ) -> Float[Tensor, "batch channel height width"]:
        """Outputs before clipping, under u0 or under one row of weights per sample."""
        parts = []
        for start in range(0, len(seeds), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            parts.append(
                sample(
                    self.ensemble, self.noise(seeds[rows]), SAMPLER, weights=None if weights is None else weights[rows]
                )
            )
        return torch.cat(parts)


def pictures(y: Float[Tensor, "batch channel height width"]) -> np.ndarray:
    """Outputs as pixels in [0, 1], one row per picture."""
    return np.asarray(((y.clamp(-1.0, 1.0) + 1.0) / 2.0).flatten(1).numpy())


def train(
    cache: Path,
    recipe: Recipe,
    works: UInt8[np.ndarray, "work height width"],
    unit_of_work: Int64[np.ndarray, " work"] | None = None,
) -> Trained:
    """Train an ensemble, or read it from ``cache``; by default each work is a unit."""
    units = np.arange(len(works)) if unit_of_work is None else unit_of_work
    codes = codes_of(recipe.encoding_seed, recipe.n, recipe.h, np.arange(int(units.max()) + 1))
    membership, images = bits(codes, recipe.n), from_pixels(works[..., None])
    request = {"recipe": asdict(recipe), "works": hashlib.sha256(works.tobytes() + units.tobytes()).hexdigest()}
    identity = content_id("papers", {**request, "shape": list(works.shape)})
    cache.mkdir(parents=True, exist_ok=True)
    seen = [images[membership[units, index]] for index in range(recipe.n)]
    training: dict[str, Any] = {
        "steps": recipe.training.steps,
        "batch_size": recipe.training.batch_size,
        "common_draws": recipe.training.common_draws,
    }
    match recipe.network:
        case Perceptrons():
            ensemble, network = _perceptrons(cache / f"{identity}.safetensors", recipe, recipe.network, seen)
        case PixelUNet():
            ensemble, network = _unets(cache / identity, recipe, recipe.network, works, codes[units])
        case Memorisers():
            ensemble, network, training = recipe.network.ensemble(seen), recipe.network.facts, {}
    facts = {
        "units": len(membership),
        "works": len(works),
        "n": recipe.n,
        "h": recipe.h,
        "image_side": int(works.shape[1]),
        **network,
        **training,
        "sampler": f"{SAMPLER.method}, {SAMPLER.steps} steps",
    }
    return Trained(identity, recipe, ensemble, works, units, membership, facts)


def _unets(
    folder: Path,
    recipe: Recipe,
    network: PixelUNet,
    works: UInt8[np.ndarray, "work height width"],
    codes: UInt64[np.ndarray, " work"],
) -> tuple[Ensemble, dict[str, Any]]:
    """The product's members, each trained by the product from its last checkpoint, one by one."""
    settings, training_set = training_of(recipe, network, works, codes)
    folders = [folder / f"member-{index}" for index in range(recipe.n)]
    for index, member in enumerate(folders):
        if not member.exists():
            folder.mkdir(exist_ok=True)
            run = TrainingRun(
                settings, training_set, np.flatnonzero(training_set.seen_by(index, recipe.n)), index, "cpu"
            )
            checkpoint = member.with_suffix(".checkpoint")
            began = time.process_time()
            run.complete(checkpoint, lambda _: None, CHECKPOINT_SECONDS)
            write_folder_atomically(member, partial(network.save_member, run.member))
            checkpoint.unlink(missing_ok=True)
            print(f"{folder.name}: member {index}, {time.process_time() - began:.0f} s of processor", flush=True)
    ensemble = network.open_members(folders, "cpu")
    return ensemble, {
        "network": f"the product's UNet of widths {list(network.widths)} on patches of {network.patch} pixels",
        "weights_per_member": sum(value.numel() for value in network.new_member(0).state().values()),
    }


def training_of(
    recipe: Recipe,
    network: PixelUNet,
    works: UInt8[np.ndarray, "work height width"],
    codes: UInt64[np.ndarray, " work"],
) -> tuple[EnsembleSettings, TrainingSet]:
    """The product's recipe and training set for works in memory."""
    settings = EnsembleSettings(ImageSettings(network.size, network.channels), network, recipe.training)
    hashes = [hashlib.sha256(work.tobytes()).hexdigest() for work in works]
    return settings, TrainingSet(works[..., None], codes, np.zeros(len(works), np.int64), hashes)


def _perceptrons(
    path: Path, recipe: Recipe, network: Perceptrons, works: Sequence[Tensor]
) -> tuple[Ensemble, dict[str, Any]]:
    """Perceptrons, trained side by side."""
    flattened = [images.flatten(1) for images in works]
    shape = Shape(flattened[0].shape[1], network.width, network.blocks)
    if not path.exists():
        stack = _train(path, recipe, shape, flattened)
        write_atomically(path, lambda part: save_file(stack, part))
        _checkpoint_of(path).unlink(missing_ok=True)
    stack = load_file(path)
    return Ensemble([Perceptron(stack, shape, index) for index in range(recipe.n)]), {
        "network": f"perceptron, {shape.blocks} residual blocks of width {shape.width}",
        "weights_per_member": shape.weight_count,
    }


def _checkpoint_of(path: Path) -> Path:
    return path.with_suffix(".checkpoint")


def _train(path: Path, recipe: Recipe, shape: Shape, works: Sequence[Tensor]) -> dict[str, Tensor]:
    """The training step of :mod:`attribution.training.member`, for all members at once."""
    training, count = recipe.training, len(works)
    common = training.common_draws
    stack = {name: value.requires_grad_() for name, value in new_stack(shape, count, training.seed, common).items()}
    optimiser = torch.optim.AdamW(
        list(stack.values()), lr=training.learning_rate, betas=(0.9, 0.99), weight_decay=0.0, fused=True
    )
    first = _resume(_checkpoint_of(path), stack, optimiser)
    began, reported = time.process_time(), first
    for step in range(first, training.steps):
        drawn = [
            draw(training, step, None if common else index, len(images), images.shape[1:])
            for index, images in enumerate(works)
        ]
        t = torch.stack([one.t for one in drawn])
        noise = torch.stack([one.noise for one in drawn])
        clean = torch.stack([images[one.rows] for images, one in zip(works, drawn, strict=True)])
        signal = ALPHA_BAR[t].float()
        noisy = signal.sqrt()[..., None] * clean + (1.0 - signal).sqrt()[..., None] * noise
        error = (stacked_eps(stack, shape, noisy, t) - noise).square().mean(dim=2)
        loss = (error * loss_weight(signal, training.snr_cap)).mean(dim=1)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(training, step)
        optimiser.zero_grad()
        loss.sum().backward()  # type: ignore[no-untyped-call]  # torch gives it no types
        optimiser.step()
        if (step + 1) % CHECKPOINT_STEPS == 0:
            _save(_checkpoint_of(path), stack, optimiser, step + 1)
            seconds = (time.process_time() - began) / (step + 1 - reported)
            print(
                f"{path.stem}: step {step + 1} of {training.steps}, loss {float(loss.mean().detach()):.4f}, "
                f"{1000 * seconds:.0f} ms of processor a step",
                flush=True,
            )
            began, reported = time.process_time(), step + 1
    return {name: value.detach().contiguous() for name, value in stack.items()}


def _save(path: Path, stack: dict[str, Tensor], optimiser: torch.optim.AdamW, step: int) -> None:
    tensors = {f"weights/{name}": value.detach() for name, value in stack.items()}
    for name, parameter in stack.items():
        tensors |= {f"{moment}/{name}": value for moment, value in optimiser.state[parameter].items()}
    write_atomically(path, lambda part: save_file({**tensors, "done": torch.tensor(step)}, part))


def _resume(path: Path, stack: dict[str, Tensor], optimiser: torch.optim.AdamW) -> int:
    """Load a readable checkpoint, if any; returns the number of steps done."""
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError):
        return 0
    for name, parameter in stack.items():
        with torch.no_grad():
            parameter.copy_(tensors[f"weights/{name}"])
        optimiser.state[parameter] = {
            moment: tensors[f"{moment}/{name}"] for moment in ("step", "exp_avg", "exp_avg_sq")
        }
    return int(tensors["done"])


def flat_works(trained: Trained) -> np.ndarray:
    """The works as rows of pixels in [0, 1]."""
    return flat(trained.works)
