"""Cost of the real ablation of many units: per step, a member runs once for the units it never saw.

Claim, for K = 64 units, one thread and 16x16 colour images: K ablations cost at most (n - h)/n x K
plain runs, for plain runs of one image and of a batch of creditline's size. A "run" is the whole
ensemble over the whole schedule. The ratio to plain runs in one batch of K, the cheapest way, is
given too: there a member gets K rows at once, in an ablation only its share of them, so the excess
over 1 is the price of smaller batches.

All steps cost the same, so runs of two steps are timed. Times are processor seconds. The networks
have random weights, which cost the same as trained ones. The rows that members evaluate are counted
too; the count needs no clock.

    python -m benchmarks.auditing.ablation_cost
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor

from attribution.ablation.exact import ROWS_AT_ONCE, counterfactuals
from attribution.denoisers.ensemble import Ensemble
from attribution.denoisers.pixels import PixelUNet
from attribution.denoisers.space import Denoiser
from attribution.sampling.noise import exogenous_noise, noise_batch
from attribution.sampling.sampler import sample
from attribution.sampling.schedule import SamplerSettings
from benchmarks.record import conclude, interleaved_medians
from registry.encodings.codes import codes_of
from registry.encodings.words import bits

UNITS = 64
STEPS = 2
ROUNDS = 3
MEMBERS = (10, 16, 22)
MAXIMUM = 1.0
NETWORK = PixelUNet(size=16, widths=(32, 64), patch=2)
AS_DRAWN = NETWORK.rows_at_once("cpu")


class Counted:
    """A member that counts the rows of its evaluations."""

    def __init__(self, member: Denoiser) -> None:
        self.member = member
        self.rows = 0

    def __call__(self, x: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
        self.rows += len(x)
        return self.member(x, t, labels)


def main() -> int:
    """Measure, write the result, and return 1 if a claim does not hold."""
    torch.set_num_threads(1)
    cases = [measure(n) for n in MEMBERS]
    held = all(
        case["by_single_runs"] <= MAXIMUM
        and case["by_runs_as_drawn"] <= MAXIMUM
        and case["rows"] == case["rows_of_the_bound"]
        for case in cases
    )
    claim = f"K ablations cost at most {MAXIMUM} x (n - h)/n x K plain runs, drawn alone or in creditline's batches"
    settings = {"units": UNITS, "steps": STEPS, "threads": 1, "rounds": ROUNDS, "rows_at_once": ROWS_AT_ONCE}
    return conclude("auditing/ablation_cost", claim, held, {**settings, "cases": cases}, ("torch", "diffusers"))


def measure(n: int) -> dict[str, Any]:
    """Times and evaluated rows of one ensemble, relative to the bound's."""
    members = [Counted(NETWORK.new_member(seed).eval().requires_grad_(False)) for seed in range(n)]
    ensemble = Ensemble(members)
    h = n // 2
    membership = bits(codes_of(0, n, h, np.arange(UNITS)), n)
    settings = SamplerSettings(steps=STEPS)
    shape = (NETWORK.channels, NETWORK.size, NETWORK.size)
    alone, many = noise_batch([0], STEPS, shape), noise_batch(list(range(UNITS)), STEPS, shape)
    noise = exogenous_noise(0, STEPS, shape)
    counterfactuals(ensemble, noise, settings, membership)
    rows = sum(member.rows for member in members)
    seconds = interleaved_medians(
        {
            "single": lambda: sample(ensemble, alone, settings),
            "as drawn": lambda: sample(ensemble, many[:AS_DRAWN], settings),
            "one batch": lambda: sample(ensemble, many, settings),
            "ablation": lambda: counterfactuals(ensemble, noise, settings, membership),
        },
        ROUNDS,
    )
    share = (n - h) / n
    return {
        "n": n,
        "h": h,
        "rows": rows,
        "rows_of_the_bound": int(share * n * UNITS * STEPS),
        "ablation_seconds_per_unit_and_step": round(seconds["ablation"] / UNITS / STEPS, 5),
        "by_single_runs": round(seconds["ablation"] / (share * UNITS * seconds["single"]), 3),
        "by_runs_as_drawn": round(seconds["ablation"] / (share * UNITS / AS_DRAWN * seconds["as drawn"]), 3),
        "by_one_batch": round(seconds["ablation"] / (share * seconds["one batch"]), 3),
    }


if __name__ == "__main__":
    sys.exit(main())
