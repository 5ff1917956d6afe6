"""TracInCP (Pruthi et al. 2020) through captum, on checkpoints of the reference model."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from attribution.ranking.rankers.gradients.noised_views import NoisedViews
from benchmarks.lds.ground_truth import SAMPLER, Ground
from benchmarks.lds.models import CleanDenoiser, with_checkpoints

VIEWS = 24
CHECKPOINTS = 4
AT_ONCE = 32


class Loss(nn.Module):
    """The denoiser's weighted loss on each image, mean over noised views."""

    def __init__(self, denoiser: CleanDenoiser, views: NoisedViews) -> None:
        super().__init__()
        self.denoiser, self.views = denoiser, views

    def forward(self, images: Tensor) -> Tensor:
        count, views = len(images), self.views
        eps = self.denoiser(views.of(images), views.timesteps.repeat(count))
        error = (eps - views.noise.repeat(count, 1, 1, 1)).square().mean(dim=(1, 2, 3)).unflatten(0, (count, -1))
        loss: Tensor = (error * views.weight).mean(dim=1)
        return loss


def tracin(ground: Ground) -> Float64[np.ndarray, "query work"]:
    """Gradient products summed over checkpoints, each times its learning rate.

    The reference model is trained again to get the checkpoints.

    Raises:
        ImportError: captum is not installed.
    """
    from captum.influence import TracInCP

    network, training = ground.material.network, ground.material.training
    images = ground.material.images()
    steps = [training.steps * (number + 1) // CHECKPOINTS for number in range(CHECKPOINTS)]
    checkpoints, rates = with_checkpoints(images, network, training, steps)
    views = NoisedViews.spread(VIEWS, SAMPLER, training.snr_cap, (network.channels, network.size, network.size))

    def load(module: Loss, checkpoint: str) -> float:
        module.denoiser.load_state_dict(checkpoints[int(checkpoint)])
        return rates[int(checkpoint)]

    def rows(images: Tensor) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(TensorDataset(images, torch.zeros(len(images))), AT_ONCE)

    method = TracInCP(
        Loss(CleanDenoiser(network, 0).eval(), views),
        rows(images),
        [str(number) for number in range(CHECKPOINTS)],
        load,
        loss_fn=lambda output, _target: output,
        batch_size=AT_ONCE,
    )
    return np.asarray(method.influence(rows(ground.queries)).detach().double().numpy())
