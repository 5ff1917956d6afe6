"""EKFAC influence through kronfluence: ``python -m benchmarks.peers.ekfac GIVEN OUT.npz``.

An example is one image under one look. The gradient of an image is the mean of those of its looks,
so its scores are the mean over pairs of looks of the pairwise scores.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from kronfluence.analyzer import Analyzer, prepare_model
from kronfluence.arguments import FactorArguments, ScoreArguments
from kronfluence.task import Task
from torch import Tensor
from torch.utils.data import TensorDataset

from benchmarks.peers.exchange import Looks, read_given

LOOKS = 12
"""Per image and side: pairwise scores grow with the square."""
Batch = tuple[Tensor, Tensor, Tensor, Tensor]


class Denoising(Task):  # type: ignore[misc]  # ships no types
    """The denoising loss, of works as in training and of queries as in the ground truth."""

    def compute_train_loss(self, batch: Batch, model: torch.nn.Module, sample: bool = False) -> Tensor:
        x_t, t, noise, weight = batch
        eps = model(x_t, t)
        # The model's own distribution of outputs: normal around its prediction.
        target = eps.detach() + torch.randn_like(eps) if sample else noise
        loss: Tensor = (((eps - target).square().flatten(1).mean(dim=1)) * weight).sum()
        return loss

    def compute_measurement(self, batch: Batch, model: torch.nn.Module) -> Tensor:
        return self.compute_train_loss(batch, model)


def examples(images: Tensor, looks: Looks) -> TensorDataset:
    """One row an image and look."""
    spread = torch.linspace(0, len(looks) - 1, LOOKS).round().long()
    looks = Looks(looks.t[spread], looks.noise[spread], looks.weight[spread])
    count = len(images)
    return TensorDataset(
        looks.noised(images).flatten(0, 1),
        looks.t.repeat(count),
        looks.noise.repeat(count, 1, 1, 1),
        looks.weight.repeat(count),
    )


def main(given_path: str, out: str) -> None:
    """Fit the factors and write the scores."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    given = read_given(Path(given_path))
    task = Denoising()
    model = prepare_model(given.model(), task)
    works, queries = examples(given.works, given.looks), examples(given.queries, given.looks)
    with tempfile.TemporaryDirectory() as folder:
        analyzer = Analyzer("lds", model, task, cpu=True, output_dir=folder, disable_tqdm=True)
        analyzer.fit_all_factors(
            "ekfac", works, per_device_batch_size=64, factor_args=FactorArguments(strategy="ekfac")
        )
        analyzer.compute_pairwise_scores(
            "scores",
            "ekfac",
            queries,
            works,
            per_device_query_batch_size=len(queries),
            per_device_train_batch_size=128,
            score_args=ScoreArguments(),
        )
        pairs = analyzer.load_pairwise_scores("scores")["all_modules"]
    scores = pairs.reshape(len(given.queries), LOOKS, len(given.works), LOOKS).mean(dim=(1, 3))
    np.savez(out, ekfac=scores.numpy())


if __name__ == "__main__":
    main(*sys.argv[1:3])
