"""Ground truth for attribution: models retrained on random halves of the works, and their losses.

From the same works and training: an encoded ensemble, its generated images, and one reference
model of all works for gradient methods.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from safetensors.numpy import load_file, save_file
from torch import Tensor

from attribution.denoisers.ensemble import Ensemble
from attribution.images import from_pixels, to_pixels
from attribution.ranking.rankers.interface import Images, PixelRows, Works
from attribution.sampling.noise import noise_batch
from attribution.sampling.sampler import sample
from attribution.sampling.schedule import SamplerSettings
from attribution.training.reference_model import ReferenceModel
from benchmarks.lds.data import Material
from benchmarks.lds.models import Stack, denoising_losses, trained
from registry.encodings.codes import codes_of
from registry.encodings.words import bits
from registry.home import write_atomically

MEMBERS, ONES = 16, 8
GENERATED = 48
SAMPLER = SamplerSettings()
HALVES = 32
HALF_SEEDS = (1, 2)


@dataclass(frozen=True)
class Ground:
    """The inputs of a comparison of rankers."""

    material: Material
    queries: Float[Tensor, "query channel height width"]
    """In [-1, 1]: first the generated images, then the held-out ones."""
    generated: Bool[np.ndarray, " query"]
    membership: Bool[np.ndarray, "work member"]
    member_loss: Float64[np.ndarray, "query member"]
    halves: Bool[np.ndarray, "model work"]
    half_loss: Float64[np.ndarray, "seed query model"]
    reference: Stack
    """Models of all works, one per seed; the first is the reference."""

    def flat_queries(self) -> np.ndarray:
        """Queries in [0, 1], flattened channel by channel."""
        return ((self.queries.flatten(1).numpy() + 1.0) / 2.0).astype(np.float32)

    def images_to_rank(self) -> Images:
        """The queries as a ranker takes them."""
        network = self.material.network
        return Images(self.flat_queries(), (network.channels, network.size, network.size))

    def works_to_rank(self, folder: Path | None) -> Works:
        """The works as a ranker takes them, which keeps its features in ``folder``."""
        hashes = [hashlib.sha256(work.tobytes()).hexdigest() for work in self.material.works]
        return Works(PixelRows(self.material.works), np.arange(len(hashes)), hashes, folder)

    def reference_model(self) -> ReferenceModel:
        """The model of all works for gradient methods."""
        return ReferenceModel(
            self.reference.model(0).requires_grad_(True), "reference", SAMPLER, self.material.training.snr_cap
        )

    def flat_works(self) -> np.ndarray:
        """In [0, 1], flattened channel by channel."""
        return ((self.material.images().flatten(1).numpy() + 1.0) / 2.0).astype(np.float32)


def random_halves(works: int, count: int, seed: int) -> Bool[np.ndarray, "model work"]:
    """Random halves of the works in complementary pairs: each work is in equally many."""
    generator = np.random.default_rng(seed)
    halves = np.zeros((count, works), dtype=np.bool_)
    for row in range(0, count, 2):
        chosen = generator.permutation(works)[: works // 2]
        halves[row, chosen] = True
        halves[row + 1 : row + 2] = ~halves[row]
    return halves


def ground_truth(material: Material, cache: Path, halves: int = HALVES, seeds: int = len(HALF_SEEDS)) -> Ground:
    """Train the models missing from ``cache``, and measure every model's loss on every query."""
    folder = cache / material.name
    images = material.images()
    membership = bits(codes_of(7, MEMBERS, ONES, np.arange(len(images))), MEMBERS)
    everything = np.ones((1, len(images)), dtype=np.bool_)
    subsets = random_halves(len(images), halves, 11)
    ensemble = models_of(material, folder, "members", membership.T, 0)
    reference = models_of(material, folder, "reference", everything, 0)
    queries = torch.cat([_generated(folder, ensemble), from_pixels(material.held_out)])
    member_loss = losses_of(folder, "members-0", ensemble, queries)
    found = [
        losses_of(folder, f"halves{halves}-{seed}", models_of(material, folder, "halves", subsets, seed), queries)
        for seed in HALF_SEEDS[:seeds]
    ]
    return Ground(
        material=material,
        queries=queries,
        generated=np.arange(len(queries)) < GENERATED,
        membership=membership,
        member_loss=member_loss,
        halves=subsets,
        half_loss=np.stack(found) if found else np.empty((0, len(queries), halves)),
        reference=reference,
    )


def models_of(material: Material, folder: Path, name: str, rows: Bool[np.ndarray, "model work"], seed: int) -> Stack:
    """Models of subsets of the works under one training seed, from the folder or trained now."""
    training = replace(material.training, seed=seed)
    return trained(folder, f"{name}-{seed}", material.images(), rows, material.network, training)


def _generated(folder: Path, stack: Stack) -> Tensor:
    """Images of the ensemble, clamped and rounded to bytes."""
    path = folder / "generated.safetensors"
    if not path.exists():
        ensemble = Ensemble([stack.model(index) for index in range(len(stack))])
        shape = (stack.settings.channels, stack.settings.size, stack.settings.size)
        y = sample(ensemble, noise_batch(list(range(1, GENERATED + 1)), SAMPLER.draws, shape), SAMPLER)
        pixels = to_pixels(y).numpy()
        write_atomically(path, lambda part: save_file({"pixels": pixels}, part))
    return from_pixels(load_file(path)["pixels"])


def losses_of(
    folder: Path, name: str, stack: Stack, queries: Float[Tensor, "query channel height width"]
) -> Float64[np.ndarray, "query model"]:
    """The loss of every model on every query, from the folder or measured now."""
    path = folder / f"losses-{name}.safetensors"
    if not path.exists():
        losses = denoising_losses(stack, queries, range(1000, 1000 + len(queries)), SAMPLER)
        write_atomically(path, lambda part: save_file({"loss": losses}, part))
        print(f"{path.name}: {losses.shape}", flush=True)
    return np.asarray(load_file(path)["loss"])
