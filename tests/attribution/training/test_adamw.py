"""The optimiser is torch's AdamW, to the last bit."""

from __future__ import annotations

import torch
from torch import nn

from attribution.training.adamw import BETAS, AdamW

RATES = (1e-2, 5e-3, 1e-3, 2e-4)


def networks() -> tuple[nn.Module, nn.Module]:
    """Two networks with one start; the last layer takes part in every second step."""
    first = nn.Sequential(nn.Linear(4, 8), nn.SiLU(), nn.Linear(8, 2))
    second = nn.Sequential(nn.Linear(4, 8), nn.SiLU(), nn.Linear(8, 2))
    second.load_state_dict(first.state_dict())
    return first, second


def differentiate(network: nn.Module, step: int) -> None:
    """Gradients of a loss; of the last layer at even steps alone."""
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(step))
    value = network(x) if step % 2 == 0 else network[1](network[0](x))  # type: ignore[index]  # a Sequential
    torch.autograd.backward(value.square().mean())


def test_steps_are_those_of_torch() -> None:
    """Weights and moments, also of parameters without a gradient at some steps."""
    mine, theirs = networks()
    ours = AdamW(mine.parameters())
    peer = torch.optim.AdamW(theirs.parameters(), lr=1.0, betas=BETAS, weight_decay=0.0, fused=True)
    for step, rate in enumerate(RATES, start=1):
        ours.zero_grad()
        peer.zero_grad()
        differentiate(mine, step)
        differentiate(theirs, step)
        peer.param_groups[0]["lr"] = rate
        ours.step(rate)
        peer.step()
        assert all(torch.equal(one, other) for one, other in zip(mine.parameters(), theirs.parameters(), strict=True))
    kept = peer.state_dict()["state"]
    assert {number: sorted(moments) for number, moments in ours.state.items()} == {
        number: sorted(moments) for number, moments in kept.items()
    }
    for number, moments in ours.state.items():
        assert all(torch.equal(value, kept[number][name]) for name, value in moments.items())


def test_restored_moments_go_on_as_if_nothing_had_happened() -> None:
    """The same steps after a copy."""
    first, second = networks()
    whole, half = AdamW(first.parameters()), AdamW(second.parameters())
    for step, rate in enumerate(RATES):
        for network, optimiser in ((first, whole), (second, half)):
            optimiser.zero_grad()
            differentiate(network, step)
            optimiser.step(rate)
        if step == 1:
            kept = {
                number: {name: value.clone() for name, value in moments.items()}
                for number, moments in half.state.items()
            }
            half = AdamW(second.parameters())
            half.restore(kept)
    assert all(torch.equal(one, other) for one, other in zip(first.parameters(), second.parameters(), strict=True))
