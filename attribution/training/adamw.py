"""AdamW without weight decay, by torch's own fused kernel.

``torch.optim.AdamW`` imports torch's compiler when it is made: over a second of processor time in
every process that trains. Its functional form takes the same steps, bit for bit, without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

BETAS = 0.9, 0.99
EPSILON = 1e-8


class AdamW:
    """The moments of some parameters, and the steps that they make."""

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        """``parameters`` in the order that numbers them."""
        self.parameters = list(parameters)
        self.state: dict[int, dict[str, Tensor]] = {}
        """``step``, ``exp_avg`` and ``exp_avg_sq`` by number of a parameter that had a gradient."""

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Change the parameters that have a gradient, at this learning rate."""
        moved = [(number, value) for number, value in enumerate(self.parameters) if value.grad is not None]
        for number, value in moved:
            if number not in self.state:
                self.state[number] = {
                    "step": torch.zeros((), device=value.device),
                    "exp_avg": torch.zeros_like(value),
                    "exp_avg_sq": torch.zeros_like(value),
                }
        states = [self.state[number] for number, _ in moved]
        adamw(
            [value for _, value in moved],
            [value.grad for _, value in moved if value.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=rate,
            weight_decay=0.0,
            eps=EPSILON,
            maximize=False,
        )

    def restore(self, state: Mapping[int, Mapping[str, Tensor]]) -> None:
        """Continue from kept moments."""
        self.state = {
            number: {name: value.to(self.parameters[number].device) for name, value in moments.items()}
            for number, moments in state.items()
        }
