"""What a training of the base keeps: weights, their moving average, the optimiser, the step."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

DECAY = 0.999


class Average:
    """The exponential moving average of a network's weights."""

    def __init__(self, network: nn.Module) -> None:
        self.state: dict[str, Tensor] = {name: value.clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after ``step``; early steps weigh more."""
        decay = min(DECAY, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value, 1 - decay)


def keep(path: Path, network: nn.Module, optimiser: torch.optim.Optimizer, average: Average, step: int) -> None:
    """Write a checkpoint in place of the one before."""
    new = path.with_suffix(".new")
    torch.save({"m": network.state_dict(), "o": optimiser.state_dict(), "e": average.state, "s": step}, new)
    new.replace(path)


def kept_step(path: Path, network: nn.Module, optimiser: torch.optim.Optimizer, average: Average) -> int:
    """Put back the checkpoint, if there is one; returns the step after it."""
    if not path.exists():
        return 0
    kept = torch.load(path, weights_only=True)
    network.load_state_dict(kept["m"])
    optimiser.load_state_dict(kept["o"])
    average.state = kept["e"]
    return int(kept["s"])
