"""Adapters that train together, beside one by one, on one thread of a CPU.

Measured is the processor time of a training step (prediction and gradients) per member, by the
number of members that take it in one batch, on the project's small base. The members' products are
the same, so the gain is fewer and larger ones.

    python -m benchmarks.members.group_training
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch

from attribution.denoisers.interface import Prompt
from attribution.denoisers.text_to_image.kind import Adapters
from attribution.denoisers.text_to_image.lora import Target
from attribution.denoisers.text_to_image.members import AdapterMember
from benchmarks.record import conclude, interleaved_medians
from cli.demo.base_and_prompts import SMALL_BASE
from registry.bases.reading import read_base

MEMBERS, BATCH, RANK, ROUNDS = 8, 8, 16, 3
GROUPS = (1, 2, 4, 8)
TARGETS: tuple[Target, ...] = ("attention", "attention+conv")


def main() -> int:
    """Measure, write the result, and return 1 if the claim does not hold."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    facts = read_base(SMALL_BASE).facts
    cases = [measure(Adapters.on(facts, SMALL_BASE, rank=RANK, target=target)) for target in TARGETS]
    held = all(case["core_seconds_per_member_step"]["8"] < case["core_seconds_per_member_step"]["1"] for case in cases)
    claim = f"a step of {MEMBERS} adapters in one batch takes less time than {MEMBERS} steps of one"
    results = {"members": MEMBERS, "works_per_step": BATCH, "rank": RANK, "threads": 1, "rounds": ROUNDS}
    return conclude("members/group_training", claim, held, results | {"cases": cases}, ("torch", "diffusers"))


def measure(kind: Adapters) -> dict[str, Any]:
    """Seconds of a step per member, by the size of the group."""
    generator = torch.Generator().manual_seed(0)
    members = [kind.new_member(seed) for seed in range(MEMBERS)]
    x = torch.randn((MEMBERS, BATCH, *kind.shape), generator=generator)
    t = torch.randint(0, kind.train_steps, (MEMBERS, BATCH), generator=generator)
    condition = kind.condition([Prompt("a cat face")], ())

    def step(group: Sequence[AdapterMember], first: int) -> None:
        rows = slice(first, first + len(group))
        texts = condition[torch.zeros(len(group) * BATCH, dtype=torch.int64)]
        loss = kind.predict_each(group, x[rows], t[rows], texts).square().mean(dim=(1, 2, 3, 4)).sum()
        torch.autograd.backward(loss)
        for member in group:
            member.zero_grad()

    def all_members(size: int) -> Callable[[], None]:
        def run() -> None:
            for first in range(0, MEMBERS, size):
                step(members[first : first + size], first)

        return run

    seconds = interleaved_medians({str(size): all_members(size) for size in GROUPS}, ROUNDS)
    per_member = {size: round(value / MEMBERS, 4) for size, value in seconds.items()}
    return {"target": kind.target, "core_seconds_per_member_step": per_member}


if __name__ == "__main__":
    sys.exit(main())
