"""TRAK and D-TRAK through traker: ``python -m benchmarks.peers.trak GIVEN OUT.npz``.

D-TRAK (Zheng et al. 2024) is TRAK with another model output: not the loss but the squared norm of
the prediction, for works and queries alike. Both at a grid of ridge terms, as shares of the
kernel's mean eigenvalue.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call
from trak import TRAKer
from trak.modelout_functions import AbstractModelOutput
from trak.projectors import BasicProjector, ProjectionType

from benchmarks.peers.exchange import Given, Looks, batches, read_given

PROJECTION = 2048
RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
AT_ONCE = 32


class Denoising(AbstractModelOutput):  # type: ignore[misc]  # ships no types
    """One image's mean over looks of the loss, or of the squared prediction."""

    def __init__(self, square: bool) -> None:
        self.square = square

    def get_output(
        self, model: torch.nn.Module, weights: dict[str, Tensor], buffers: dict[str, Tensor], *example: Tensor
    ) -> Tensor:
        x_t, t, noise, weight = example
        eps = functional_call(model, (weights, buffers), (x_t, t))
        error = eps.square() if self.square else (eps - noise).square()
        output: Tensor = (error.flatten(1).mean(dim=1) * weight).mean()
        return output

    def get_out_to_loss_grad(
        self, _model: torch.nn.Module, _weights: dict[str, Tensor], _buffers: dict[str, Tensor], batch: list[Tensor]
    ) -> Tensor:
        # The output is the loss itself (or, for D-TRAK, is taken for it).
        return torch.ones(len(batch[0]), 1)


def batch_of(images: Tensor, looks: Looks) -> list[Tensor]:
    """What one call of the library gets."""
    count = len(images)
    return [
        looks.noised(images),
        looks.t.expand(count, -1),
        looks.noise.expand(count, *looks.noise.shape),
        looks.weight.expand(count, -1),
    ]


def features(given: Given, square: bool, folder: str) -> tuple[np.ndarray, np.ndarray]:
    """Projected gradients of works and queries."""
    model = given.model()
    grad_wrt = [name for name, _ in model.named_parameters()]
    size = sum(value.numel() for value in model.parameters())
    projector = BasicProjector(
        grad_dim=size, proj_dim=PROJECTION, seed=0, proj_type=ProjectionType.normal, device="cpu", block_size=256
    )
    traker = TRAKer(
        model=model,
        task=Denoising(square),
        train_set_size=len(given.works),
        save_dir=folder,
        device="cpu",
        projector=projector,
        proj_dim=PROJECTION,
        use_half_precision=False,
        logging_level=logging.ERROR,
        grad_wrt=grad_wrt,
    )
    traker.load_checkpoint(model.state_dict(), model_id=0)
    for rows in batches(len(given.works), AT_ONCE):
        batch = batch_of(given.works[rows], given.looks)
        traker.featurize(batch=batch, num_samples=rows.stop - rows.start)
    works = np.array(traker.saver.current_store["grads"])
    traker.finalize_features()
    traker.start_scoring_checkpoint(
        exp_name="queries", checkpoint=model.state_dict(), model_id=0, num_targets=len(given.queries)
    )
    for rows in batches(len(given.queries), AT_ONCE):
        traker.score(batch=batch_of(given.queries[rows], given.looks), num_samples=rows.stop - rows.start)
    queries = np.array(traker.saver.current_store["queries_grads"])
    return works.astype(np.float64), queries.astype(np.float64)


def main(given_path: str, out: str) -> None:
    """Compute both methods' scores, phi_q (Phi^T Phi + ridge)^-1 phi_x, for every ridge term."""
    torch.set_num_threads(1)
    given = read_given(Path(given_path))
    scores: dict[str, Any] = {}
    for name, square in (("trak", False), ("d-trak", True)):
        with tempfile.TemporaryDirectory() as folder:
            works, queries = features(given, square, folder)
        kernel = works.T @ works
        mean = np.trace(kernel) / len(works)
        for ridge in RIDGES:
            inner = np.linalg.solve(kernel + ridge * mean * np.eye(len(kernel)), works.T)
            scores[f"{name}/{ridge:g}"] = queries @ inner
    np.savez(out, **scores)


if __name__ == "__main__":
    main(*sys.argv[1:3])
