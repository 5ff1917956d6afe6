"""TracInCP through captum: ``python -m benchmarks.peers.tracin GIVEN OUT.npz``."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from captum.influence import TracInCP
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.lds_models import CleanDenoiser
from benchmarks.peers.exchange import Looks, read_given, weighted_error

AT_ONCE = 32


class Loss(nn.Module):
    """The denoiser's loss on each image."""

    def __init__(self, denoiser: CleanDenoiser, looks: Looks) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.looks = looks

    def forward(self, images: Tensor) -> Tensor:
        return weighted_error(self.denoiser, self.looks.noised(images), self.looks)


def main(given_path: str, out: str) -> None:
    """Sum gradient products over the checkpoints, each times its learning rate."""
    torch.set_num_threads(1)
    given = read_given(Path(given_path))
    model = Loss(given.model(), given.looks)

    def load(module: Loss, checkpoint: str) -> float:
        number = int(checkpoint)
        module.denoiser.load_state_dict(given.checkpoints[number])
        return given.rates[number]

    def rows(images: Tensor) -> TensorDataset:
        return TensorDataset(images, torch.zeros(len(images)))

    tracin = TracInCP(
        model,
        DataLoader(rows(given.works), AT_ONCE),
        [str(number) for number in range(len(given.checkpoints))],
        load,
        loss_fn=lambda output, _target: output,
        batch_size=AT_ONCE,
    )
    scores = tracin.influence(DataLoader(rows(given.queries), AT_ONCE))
    np.savez(out, tracin=scores.detach().numpy())


if __name__ == "__main__":
    main(*sys.argv[1:3])
