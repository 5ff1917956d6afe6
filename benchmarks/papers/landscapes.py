"""Influences of units on samples: by real ablation, by the Jacobian, and by TDA's two baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from safetensors.torch import load_file, save_file
from torch import Tensor

from attribution.ablation.exact import ablation_weights, counterfactuals
from attribution.ablation.influence import gram, influences
from attribution.ablation.jacobian import sample_with_jacobian
from attribution.denoisers.ensemble import mix
from attribution.metrics.euclidean import euclidean
from attribution.sampling.sampler import Observation, advance, sample
from attribution.sampling.schedule import steps_of
from benchmarks.papers.ensembles import ROWS_AT_ONCE, SAMPLER, Trained
from registry.home import write_atomically

JACOBIANS_AT_ONCE = 16


@dataclass(frozen=True)
class Exact:
    """One sample without each of some units; scaled Euclidean distances."""

    units: Int64[np.ndarray, " unit"]
    raw: Float64[np.ndarray, " unit"]
    """Between outputs before clipping, which the Jacobian estimates."""
    seen: Float64[np.ndarray, " unit"]
    """Between the displayed pictures."""


def exact(cache: Path, trained: Trained, seed: int, units: Int64[np.ndarray, " unit"] | None = None) -> Exact:
    """Regenerate a sample without each unit (all of them by default)."""
    wanted = np.arange(trained.units) if units is None else np.sort(units)
    kind = "all" if units is None else f"{len(wanted)}"
    path = cache / f"{trained.id}-exact-{kind}-{seed}.safetensors"
    if not path.exists():
        noise = trained.noise([seed])
        y = sample(trained.ensemble, noise, SAMPLER)[0]
        without = counterfactuals(
            trained.ensemble, noise[0], SAMPLER, trained.membership[wanted], rows_at_once=ROWS_AT_ONCE
        )
        found = {
            "units": torch.from_numpy(wanted),
            "raw": euclidean(y, without),
            "seen": euclidean(y.clamp(-1.0, 1.0), without.clamp(-1.0, 1.0)),
        }
        write_atomically(path, lambda part: save_file(found, part))
    return Exact(**{name: value.numpy() for name, value in load_file(path).items()})


def first_order(
    cache: Path, trained: Trained, seeds: Sequence[int]
) -> tuple[Float64[np.ndarray, "sample unit"], Float[Tensor, "sample channel height width"]]:
    """Influences of all units on each sample by its Jacobian, and the outputs."""
    rows, outputs = [], []
    for start in range(0, len(seeds), JACOBIANS_AT_ONCE):
        part_seeds = list(seeds[start : start + JACOBIANS_AT_ONCE])
        path = cache / f"{trained.id}-jacobian-{part_seeds[0]}-{part_seeds[-1]}.safetensors"
        if not path.exists():
            found = sample_with_jacobian(trained.ensemble, trained.noise(part_seeds), SAMPLER)
            kept = {"gram": gram(found.jacobian), "y": found.y}
            write_atomically(path, lambda part, kept=kept: save_file(kept, part))  # type: ignore[misc]
        kept = load_file(path)
        rows += [influences(g, trained.membership, kept["y"][0].numel()) for g in kept["gram"]]
        outputs.append(kept["y"])
    return np.stack(rows), torch.cat(outputs)


def last_step_noise(trained: Trained, seed: int) -> Float64[np.ndarray, " unit"]:
    """TDA's first baseline: the outputs of the unit's members are dropped at the last step only."""
    last: list[Observation] = []

    def observe(observation: Observation) -> None:
        last[:] = [observation]

    y = sample(trained.ensemble, trained.noise([seed]), SAMPLER, observe=observe)
    step, weights = steps_of(SAMPLER)[-1], ablation_weights(trained.membership)
    outputs = last[0].outputs.expand(-1, len(weights), -1, -1, -1)
    eps = mix(outputs, weights)
    without, _ = advance(step, last[0].x_t, eps, torch.zeros_like(eps))
    return euclidean(y, without).numpy()


def individual_models(trained: Trained, seed: int) -> Float64[np.ndarray, " unit"]:
    """TDA's second baseline: the image minus the mean residual of the unit's members.

    A member's residual is its own image minus the ensemble's. A sum of residuals would scale all
    influences alike, since every unit has h members.
    """
    n = trained.ensemble.n
    y = trained.draw([seed])
    alone = trained.draw([seed] * n, torch.eye(n, dtype=torch.float64))
    seen = torch.from_numpy(trained.membership).to(y) / trained.recipe.h
    residual = torch.einsum("un,nchw->uchw", seen, alone - y)
    return euclidean(torch.zeros_like(residual), residual).numpy()
