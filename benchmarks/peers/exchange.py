"""What a peer is given, and what it gives back.

Given: the reference model (of all works) and checkpoints of its training, works and queries, and
  *looks*: the pinned timesteps
and noise under which the training loss is taken, the same for works and queries. (Looks of the
middle steps for the queries, as the ground truth has them, and other noise than the works' made
gradients worse on the digits.) Given back: one score a query and work, larger for works that lower
the query's loss.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from attribution.denoisers.pixels import PixelUNet
from attribution.denoisers.schedule import alpha_bars
from attribution.sampling.schedule import SamplerSettings
from benchmarks.lds_models import CleanDenoiser


@dataclass(frozen=True)
class Looks:
    """Timesteps, noise and weights of a mean squared error."""

    t: Tensor
    noise: Tensor
    weight: Tensor

    def __len__(self) -> int:
        return len(self.t)

    def noised(self, images: Tensor) -> Tensor:
        """Every image under every look: image x look x channel x height x width."""
        signal = torch.from_numpy(alpha_bars(SamplerSettings())).float()[self.t].view(-1, 1, 1, 1)
        return signal.sqrt() * images[:, None] + (1.0 - signal).sqrt() * self.noise


@dataclass(frozen=True)
class Given:
    """Everything a peer may use."""

    network: PixelUNet
    checkpoints: list[dict[str, Tensor]]
    """The last one is the reference model."""
    rates: list[float]
    """Learning rate at each checkpoint."""
    works: Tensor
    queries: Tensor
    looks: Looks

    def model(self, checkpoint: int = -1) -> CleanDenoiser:
        """The model at a checkpoint."""
        denoiser = CleanDenoiser(self.network, 0)
        denoiser.load_state_dict(self.checkpoints[checkpoint])
        return denoiser.eval()

    def write(self, path: Path) -> None:
        """As one safetensors file."""
        tensors = {"works": self.works, "queries": self.queries}
        tensors |= {"look_t": self.looks.t, "look_noise": self.looks.noise, "look_weight": self.looks.weight}
        for number, weights in enumerate(self.checkpoints):
            tensors |= {f"checkpoint.{number}.{name}": value for name, value in weights.items()}
        facts = {"network": json.dumps(self.network.to_json()), "rates": json.dumps(self.rates)}
        save_file({name: value.contiguous() for name, value in tensors.items()}, path, facts)


def read_given(path: Path) -> Given:
    """Read what :meth:`Given.write` wrote."""
    with safe_open(path, "pt") as file:
        facts = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    rates = json.loads(facts["rates"])
    checkpoints = [
        {
            name.removeprefix(f"checkpoint.{number}."): value
            for name, value in tensors.items()
            if name.startswith(f"checkpoint.{number}.")
        }
        for number in range(len(rates))
    ]
    looks = Looks(*(tensors[f"look_{part}"] for part in ("t", "noise", "weight")))
    network = PixelUNet.from_json(json.loads(facts["network"]))
    return Given(network, checkpoints, rates, tensors["works"], tensors["queries"], looks)


def weighted_error(model: CleanDenoiser, x_t: Tensor, looks: Looks) -> Tensor:
    """Per image, the weighted mean over looks of the mean squared error of the noise."""
    images, count = x_t.shape[:2]
    eps = model(x_t.flatten(0, 1), looks.t.repeat(images)).unflatten(0, (images, count))
    error = (eps - looks.noise).square().flatten(2).mean(dim=2)
    loss: Tensor = (error * looks.weight).mean(dim=1)
    return loss


def batches(count: int, size: int) -> Iterator[slice]:
    """Stretches of at most ``size``."""
    for start in range(0, count, size):
        yield slice(start, min(count, start + size))
