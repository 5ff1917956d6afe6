"""E11: cost of a Jacobian over member weights against sampling, separate forward AD and ablation.

Two claims, for one thread and n = 16 members on 16x16 colour images: a Jacobian costs at most 2.0 x
(n + 1) plain sampling runs of the same batch, and it is at least 1.7 times as fast as n separate
forward-AD runs. A "run" is the whole ensemble over the whole schedule.

Runs of 1 and of 3 steps are timed and extrapolated to 50: the first step needs no tangents, so the
cost per further step counts. Times are processor seconds. The networks have random weights, which
cost the same as trained ones.

    python -m benchmarks.auditing.jacobian_cost
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import torch

from attribution.ablation.exact import counterfactuals
from attribution.ablation.influence import gram, influences
from attribution.ablation.jacobian import sample_with_jacobian
from attribution.denoisers.ensemble import Ensemble
from attribution.denoisers.pixels import PixelUNet
from attribution.denoisers.space import Denoiser
from attribution.forward_ad import propagate
from attribution.sampling.noise import noise_batch
from attribution.sampling.sampler import sample
from attribution.sampling.schedule import SamplerSettings
from benchmarks.record import conclude, interleaved_medians

N = 16
STEPS = 50
SHORT = (1, 3)
ROUNDS = 3
MAXIMUM_RATIO = 2.0
MINIMUM_SPEEDUP = 1.7
NETWORKS = {
    "pixels": PixelUNet(size=16, widths=(32, 64), patch=1),
    "patches of 2": PixelUNet(size=16, widths=(32, 64), patch=2),
}


def main() -> int:
    """Measure, write the result, and return 1 if a claim does not hold."""
    torch.set_num_threads(1)
    cases = [measure(name, settings, batch) for name, settings in NETWORKS.items() for batch in (1, 4)]
    held = all(
        case["jacobian_by_plain_runs_over_n_plus_1"] <= MAXIMUM_RATIO
        and case["speedup_over_separate"] >= MINIMUM_SPEEDUP
        for case in cases
    )
    results = {"n": N, "threads": 1, "rounds": ROUNDS, "cases": cases, "influences": measure_influences()}
    claim = f"at most {MAXIMUM_RATIO} x (n + 1) plain runs, and {MINIMUM_SPEEDUP} x faster than n forward-AD runs"
    return conclude("auditing/jacobian_cost", claim, held, results, ("torch", "diffusers", "numpy"))


def measure(name: str, network: PixelUNet, batch: int) -> dict[str, Any]:
    """One network and batch size: ratios at 50 steps."""
    members = [network.new_member(seed).eval().requires_grad_(False) for seed in range(N)]
    ensemble = Ensemble(members)
    shape = (network.channels, network.size, network.size)
    units = np.array([[(index + unit) % N < N // 2 for index in range(N)] for unit in range(N)])
    noise = {steps: noise_batch(list(range(batch)), steps, shape) for steps in SHORT}
    settings = {steps: SamplerSettings(steps=steps) for steps in SHORT}
    jobs: dict[str, Any] = {}
    for steps in SHORT:
        jobs[f"plain {steps}"] = lambda steps=steps: sample(ensemble, noise[steps], settings[steps])
        jobs[f"jacobian {steps}"] = lambda steps=steps: sample_with_jacobian(ensemble, noise[steps], settings[steps])
        jobs[f"ablation {steps}"] = lambda steps=steps: counterfactuals(
            ensemble, noise[steps][0], settings[steps], units
        )
    seconds = interleaved_medians(jobs, ROUNDS)
    full = {kind: _at_full_length(seconds, kind) for kind in ("plain", "jacobian", "ablation")}
    separate = measure_separate(members[0], noise[1][:, 0])
    per_unit = full["ablation"] / len(units)
    return {
        "network": name,
        "weights": sum(parameter.numel() for parameter in members[0].parameters()),
        "batch": batch,
        "plain_seconds": round(full["plain"], 3),
        "jacobian_seconds": round(full["jacobian"], 3),
        "jacobian_by_plain_runs": round(full["jacobian"] / full["plain"], 2),
        "jacobian_by_plain_runs_over_n_plus_1": round(full["jacobian"] / full["plain"] / (N + 1), 3),
        "speedup_over_separate": round(separate["one at a time"] / separate["together"], 2),
        "speedup_over_torch_func_vmap": round(separate["torch.func"] / separate["together"], 2),
        "ablation_seconds_per_unit": round(per_unit, 3),
        "units_ablated_in_that_time": round(full["jacobian"] / batch / per_unit, 1),
    }


def _at_full_length(seconds: dict[str, float], kind: str) -> float:
    first, last = SHORT
    per_step = (seconds[f"{kind} {last}"] - seconds[f"{kind} {first}"]) / (last - first)
    return seconds[f"{kind} {first}"] + (STEPS - first) * per_step


def measure_separate(member: Denoiser, x: torch.Tensor) -> dict[str, float]:
    """One member's derivatives along n directions: together, by n calls, by torch.func alone."""
    t = torch.full((len(x),), 500)
    tangents = torch.randn((N, *x.shape), generator=torch.Generator().manual_seed(0))

    def network(x: torch.Tensor) -> torch.Tensor:
        return member(x, t, None)

    def by_torch(tangent: torch.Tensor) -> Any:  # noqa: ANN401  # torch.func is untyped
        return torch.func.jvp(network, (x,), (tangent,))[1]

    with torch.no_grad():
        return interleaved_medians(
            {
                "together": lambda: propagate(network, x, tangents),
                "one at a time": lambda: [propagate(network, x, tangents[index : index + 1]) for index in range(N)],
                "torch.func": lambda: torch.func.vmap(by_torch)(tangents),
            },
            ROUNDS,
        )


def measure_influences(unit_count: int = 100_000) -> dict[str, Any]:
    """Time of all first-order influences of one sample on many units, given its Jacobian."""
    generator = np.random.default_rng(0)
    membership = generator.random((unit_count, N)).argsort(axis=1) < N // 2
    jacobian = torch.randn((1, N, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    influences(gram(jacobian)[0], membership[:1], 3 * 16 * 16)  # compiles the loops
    start = time.process_time()
    influences(gram(jacobian)[0], membership, 3 * 16 * 16)
    return {"units": unit_count, "seconds": round(time.process_time() - start, 4)}


if __name__ == "__main__":
    sys.exit(main())
