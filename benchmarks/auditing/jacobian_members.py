"""The cheaper Jacobian: cost and error of tangents through m of the n members per step.

For n = 16 trained members (small networks on drawn shapes of 16x16 pixels, see
:mod:`benchmarks.auditing.small_ensemble`) and 50 steps: the time relative to the full Jacobian; the
relative error of J; and for the influences of 256 units, the relative error and rank correlation
with the full Jacobian's estimates. Both estimates are also compared with real ablation of 64 units:
if the first order itself is far off, a cheaper estimate may lose little.

Claim: with m = n/4, estimates have a rank correlation of at least 0.8 with the full Jacobian's, at
half of the time or less. Times are processor seconds of one run each, on one thread.

    python -m benchmarks.auditing.jacobian_members
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from attribution.ablation.exact import counterfactuals
from attribution.ablation.influence import gram, influences
from attribution.ablation.jacobian import random_members, sample_with_jacobian
from attribution.audit.landscape import estimate_error
from attribution.denoisers.ensemble import Ensemble
from attribution.metrics.euclidean import euclidean
from attribution.sampling.noise import noise_batch
from attribution.sampling.sampler import sample
from attribution.sampling.schedule import SamplerSettings
from benchmarks.auditing.small_ensemble import SIDE, shapes, trained_ensemble
from benchmarks.record import conclude

N, H = 16, 8
UNITS, ABLATED, SEEDS = 256, 64, (1, 2)
TRAINING_STEPS = 400
SETTINGS = SamplerSettings(steps=50)
COUNTS = (1, 2, 4, 8, 16)
MINIMUM_CORRELATION, MAXIMUM_TIME = 0.8, 0.5


def main() -> int:
    """Measure, write the result, and return 1 if the claim does not hold."""
    torch.set_num_threads(1)
    works = shapes(UNITS)
    ensemble, membership = trained_ensemble(works, N, H, TRAINING_STEPS)
    noise = noise_batch(list(SEEDS), SETTINGS.draws, (3, SIDE, SIDE))
    begun = time.process_time()
    y = sample(ensemble, noise, SETTINGS)
    plain = time.process_time() - begun
    exact = [
        euclidean(y[row], counterfactuals(ensemble, noise[row], SETTINGS, membership[:ABLATED])).numpy()
        for row in range(len(SEEDS))
    ]
    runs = {count: run(ensemble, noise, count) for count in COUNTS}
    cases = [measure(count, runs, plain, membership, exact) for count in COUNTS]
    quarter = cases[COUNTS.index(N // 4)]
    held = quarter["rank_correlation_with_full"] >= MINIMUM_CORRELATION and quarter["time_by_full"] <= MAXIMUM_TIME
    settings = {
        "n": N,
        "h": H,
        "units": UNITS,
        "units_ablated": ABLATED,
        "samples": len(SEEDS),
        "sampler": SETTINGS.to_json(),
        "training_steps": TRAINING_STEPS,
        "nearest_work": [nearest(image, works) for image in y],
        "plain_seconds": round(plain, 3),
        "threads": 1,
    }
    claim = (
        f"tangents through n/4 members a step: rank correlation of influences with the full Jacobian's at least "
        f"{MINIMUM_CORRELATION}, at {MAXIMUM_TIME} of its time or less"
    )
    return conclude("auditing/jacobian_members", claim, held, {**settings, "cases": cases}, ("torch", "diffusers"))


def run(ensemble: Ensemble, noise: Tensor, count: int) -> tuple[float, Tensor]:
    """Seconds and Jacobians of all samples; with all members, by the code path without sampling."""
    carrying = None if count == N else random_members(N, count)
    begun = time.process_time()
    jacobian = sample_with_jacobian(ensemble, noise, SETTINGS, carrying=carrying).jacobian
    return time.process_time() - begun, jacobian


def nearest(image: Tensor, works: Tensor) -> float:
    """Scaled Euclidean distance of an output to the closest work: small if the members learned."""
    return round(float(euclidean(image.clamp(-1, 1), works).min()), 2)


def measure(
    count: int,
    runs: dict[int, tuple[float, Tensor]],
    plain: float,
    membership: Bool[np.ndarray, "unit member"],
    exact: list[np.ndarray],
) -> dict[str, Any]:
    """Means over samples for one number of members."""
    (seconds, found), (full_seconds, full) = runs[count], runs[N]
    rows = []
    for row, measured in enumerate(exact):
        cheap, best = (influences(gram(j[row : row + 1])[0], membership, 3 * SIDE * SIDE) for j in (found, full))
        with_full, with_exact = estimate_error(cheap, best), estimate_error(cheap[:ABLATED], measured)
        off = torch.linalg.vector_norm(found[row] - full[row]) / torch.linalg.vector_norm(full[row])
        rows.append(
            (
                float(off),
                with_full.relative_error,
                with_full.rank_correlation,
                with_exact.relative_error,
                with_exact.rank_correlation,
            )
        )
    means = np.array(rows, dtype=float).mean(axis=0).round(4)
    names = (
        "relative_error_of_jacobian",
        "relative_error_with_full",
        "rank_correlation_with_full",
        "relative_error_with_exact",
        "rank_correlation_with_exact",
    )
    return {
        "members": count,
        "seconds": round(seconds, 3),
        "time_by_full": round(seconds / full_seconds, 3),
        "time_by_plain_runs": round(seconds / plain, 2),
        **dict(zip(names, means.tolist(), strict=True)),
    }


if __name__ == "__main__":
    sys.exit(main())
