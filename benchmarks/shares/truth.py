"""The truth: the ensemble is trained again without a unit or a rightsholder, on the same draws.

Members that saw none of what is left out stay as they are. For every output of the whole ensemble:
the distance to the output of the other ensemble from the same noise; the rise of the members' mean
denoising loss on the output; and the change of their mean prediction under the same noised views.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from safetensors.numpy import load_file, save_file
from torch import Tensor
from torch.func import functional_call, vmap

from attribution.denoisers.ensemble import Ensemble, by_row
from attribution.denoisers.space import Condition
from attribution.evidence.randomisation import mean_predictions
from attribution.images import from_pixels, to_pixels
from attribution.sampling.noise import noise_batch
from attribution.sampling.predictions import MemberPredictions, load_predictions, renoise, save_predictions
from attribution.sampling.sampler import sample
from attribution.sampling.schedule import SamplerSettings
from benchmarks.lds.models import CleanDenoiser, Stack
from benchmarks.shares.sets import RIGHTSHOLDERS, Set
from benchmarks.shares.training import trained
from registry.home import write_atomically

OUTPUTS = 16
SAMPLER = SamplerSettings()
SEED_OF_VIEWS = 1000


@dataclass(frozen=True)
class Stacked(Ensemble):
    """An ensemble whose members predict as one stack."""

    weights: dict[str, Tensor] = field(default_factory=dict)

    def predict(
        self,
        x: Tensor,
        timestep: int | Tensor,
        condition: Condition | None = None,  # noqa: ARG002  # these members have no condition
        weights: Tensor | None = None,  # noqa: ARG002  # all members are evaluated
    ) -> Tensor:
        t, network = by_row(timestep, x), cast("CleanDenoiser", self.members[0])
        predicted: Tensor = vmap(lambda own: functional_call(network, own, (x, t)))(self.weights)
        return predicted


def stacked(stack: Stack) -> Stacked:
    """All models of a stack as one ensemble."""
    return Stacked([stack.model(row) for row in range(len(stack))], weights=dict(stack.weights))


@dataclass(frozen=True)
class Retrained:
    """Ensembles without something, as rows of one stack of models."""

    stack: Stack
    row_of: tuple[tuple[int, ...], ...]
    """By what is left out and member, the row of the stack; -1: the member of the whole
    ensemble."""

    def ensemble(self, whole: Stacked, number: int) -> Stacked:
        """The ensemble without one thing."""
        rows = self.row_of[number]
        weights = {
            name: torch.stack([value[m] if row < 0 else self.stack.weights[name][row] for m, row in enumerate(rows)])
            for name, value in whole.weights.items()
        }
        return stacked(Stack(weights, self.stack.settings))


@dataclass(frozen=True)
class Changes:
    """How outputs change without something."""

    output: Float64[np.ndarray, "output unit"]
    """Mean squared difference of the outputs from the same noise, in the units of [-1, 1]."""
    loss: Float64[np.ndarray, "output unit"]
    """Rise of the members' mean denoising loss on the output."""
    prediction: Float64[np.ndarray, "output unit"]
    """Squared change of the members' mean prediction, over the values' number."""


def whole(works: Set, folder: Path) -> Stacked:
    """The ensemble on all works without the copies."""
    return stacked(trained(works, folder, "members", works.membership()[: works.count].T))


def doubled(works: Set, folder: Path) -> Stacked:
    """The ensemble on all works and the copies."""
    return stacked(trained(works, folder, "doubled", works.membership().T))


def left_out(works: Set, kind: str) -> Bool[np.ndarray, "unit work"]:
    """What is left out, by kind: every work in turn, or all works of every rightsholder."""
    if kind == "unit":
        return np.eye(works.count, dtype=np.bool_)
    return np.asarray(works.rightsholder[None, : works.count] == np.arange(RIGHTSHOLDERS)[:, None])


def retrained(works: Set, folder: Path, kind: str) -> Retrained:
    """The ensembles without a unit or a rightsholder."""
    codes = works.membership()[: works.count].T
    rows: list[np.ndarray] = []
    row_of: list[tuple[int, ...]] = []
    for gone in left_out(works, kind):
        numbers = []
        for code in codes:
            numbers.append(len(rows) if (code & gone).any() else -1)
            if (code & gone).any():
                rows.append(code & ~gone)
        row_of.append(tuple(numbers))
    return Retrained(trained(works, folder, f"without-{kind}", np.stack(rows)), tuple(row_of))


def outputs(works: Set, folder: Path, ensemble: Ensemble) -> Float[Tensor, "output ..."]:
    """Outputs of the whole ensemble, clamped and rounded to bytes."""
    path = folder / "outputs.safetensors"
    if not path.exists():
        pixels = to_pixels(sampled(works, ensemble)).numpy()
        write_atomically(path, lambda part: save_file({"pixels": pixels}, part))
    return from_pixels(load_file(path)["pixels"])


def sampled(works: Set, ensemble: Ensemble) -> Float[Tensor, "output channel height width"]:
    """Outputs from the noise of the seeds 1, 2, ..."""
    return sample(ensemble, noise_batch(list(range(1, OUTPUTS + 1)), SAMPLER.draws, works.network.shape), SAMPLER)


def predicted(folder: Path, name: str, ensemble: Ensemble, images: Tensor) -> list[MemberPredictions]:
    """The members' predictions on images, kept as audits keep them."""
    found = []
    for number, image in enumerate(images):
        path = folder / f"predictions-{name}" / f"{number:02d}.safetensors"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            save_predictions(path, renoise(ensemble, image, SAMPLER, SEED_OF_VIEWS + number))
        found.append(load_predictions(path)[0])
    return found


def changes(works: Set, folder: Path, kind: str) -> Changes:
    """All changes of one kind, kept one by one: an interrupted run goes on."""
    ensemble, again = whole(works, folder), retrained(works, folder, kind)
    images = outputs(works, folder, ensemble)
    base = predicted(folder, "whole", ensemble, images)
    means = np.stack([mean_predictions(one).mean(axis=0) for one in base])
    losses = np.array([one.member_loss.mean() for one in base])
    plain = sampled(works, ensemble)
    columns = []
    for number in range(len(again.row_of)):
        path = folder / f"changes-{kind}" / f"{number:02d}.safetensors"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            other = again.ensemble(ensemble, number)
            found = [renoise(other, image, SAMPLER, SEED_OF_VIEWS + k) for k, image in enumerate(images)]
            column = {
                "output": (sampled(works, other) - plain).double().square().flatten(1).mean(dim=1).numpy(),
                "loss": np.array([one.member_loss.mean() for one in found]) - losses,
                "prediction": np.array(
                    [((mean_predictions(f).mean(axis=0) - m) ** 2).mean() for f, m in zip(found, means, strict=True)]
                ),
            }
            write_atomically(path, lambda part, column=column: save_file(column, part))  # type: ignore[misc]
        columns.append(load_file(path))
    return Changes(
        **{name: np.stack([one[name] for one in columns], axis=1) for name in ("output", "loss", "prediction")}
    )
