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
    """The denoiser under the looks of works or, where an example says so, of queries."""

    def __init__(self, denoiser: CleanDenoiser, looks: tuple[Looks, Looks]) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.looks = looks

    def forward(self, images: Tensor, kind: Tensor) -> Tensor:
        looks = self.looks[int(kind[0])]
        return weighted_error(self.denoiser, looks.noised(images), looks)


def main(given_path: str, out: str) -> None:
    """Sum gradient products over the checkpoints, each times its learning rate."""
    torch.set_num_threads(1)
    given = read_given(Path(given_path))
    model = Loss(given.model(), (given.work_looks, given.query_looks))

    def load(module: nn.Module, checkpoint: str) -> float:
        number = int(checkpoint)
        assert isinstance(module, Loss)
        module.denoiser.load_state_dict(given.checkpoints[number])
        return given.rates[number]

    def rows(images: Tensor, kind: int) -> TensorDataset:
        return TensorDataset(images, torch.full((len(images),), kind), torch.zeros(len(images)))

    tracin = TracInCP(
        model,
        DataLoader(rows(given.works, 0), AT_ONCE),
        [str(number) for number in range(len(given.checkpoints))],
        load,
        loss_fn=lambda output, _target: output,
        batch_size=AT_ONCE,
    )
    scores = tracin.influence(DataLoader(rows(given.queries, 1), AT_ONCE))
    np.savez(out, tracin=scores.detach().numpy())


if __name__ == "__main__":
    main(*sys.argv[1:3])
