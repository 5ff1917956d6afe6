"""What jobs cost, as formulas whose constants are measured at small sizes; how well do they predict
larger ones?

With n members, B samples at once, S steps, and a network that takes e(r) seconds for r rows:

    evaluation   e(r) = a + b r
    sampling     n S e(B)                                    per B samples
    looks        n e(K B)                                    K looks of B samples, in one batch
    Jacobian     (S - 1) n (e(B) + c + d n B) + n e(B)       n tangents through each of n members
    training     n S (s + u R) / cores                       R works a step
    ranking      q W                                         W works, per image

a, b, c, d, s and u are fitted by least squares on the smaller sizes, q is a mean over them; then
the largest size, which had no part in the fit, is predicted and measured. Processor seconds of one
thread; the network is the default one, without training, which does not change the cost.

    python -m benchmarks.speed.cost_model [--rounds 3]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

import numpy as np
import torch

from attribution.ablation.jacobian import sample_with_jacobian
from attribution.denoisers.ensemble import Ensemble
from attribution.denoisers.pixels import PixelUNet
from attribution.forward_ad import propagate
from attribution.ranking.rankers.kernel import mean_squared_differences
from attribution.sampling.noise import noise_batch
from attribution.sampling.predictions import renoise_together
from attribution.sampling.sampler import sample
from attribution.sampling.schedule import SamplerSettings
from benchmarks.members.training_speed import product_run
from benchmarks.record import conclude, interleaved_medians

NETWORK = PixelUNet()
ROWS = (1, 4, 16, 48)
TANGENTS = ((2, 1), (4, 1), (4, 2), (8, 2))
"""(tangents, rows) of one member."""
BATCHES = (8, 16, 32)
WORKS = (16_000, 24_000, 32_000)
"""Too many for a processor's cache, as in any registry that is worth ranking fast."""
HELD_OUT_WORKS = 64_000
WITHIN = 1.5
"""Largest ratio between a predicted and a measured cost, either way."""


def main() -> int:
    """Fit, predict, measure, write the result; returns 1 if a prediction is far off."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.cost_model")
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    constants = fitted(rounds)
    predicted, measured = held_out(constants, rounds)
    ratios = {name: round(predicted[name] / measured[name], 3) for name in measured}
    held = all(1.0 / WITHIN <= ratio <= WITHIN for ratio in ratios.values())
    results = {
        "network": "16 px, the default",
        "constants_seconds": {name: float(f"{value:.4g}") for name, value in constants.items()},
        "predicted_seconds": {name: round(value, 4) for name, value in predicted.items()},
        "measured_seconds": {name: round(value, 4) for name, value in measured.items()},
        "predicted_to_measured": ratios,
    }
    claim = f"costs at sizes that had no part in the fit are predicted within a factor of {WITHIN}"
    return conclude("speed/cost_model", claim, held, results, ("torch", "numpy"))


def fitted(rounds: int) -> dict[str, float]:
    """The constants, from small sizes."""
    member = NETWORK.new_member(0).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)

    def shown(rows: int) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.randn(rows, *NETWORK.shape, generator=generator), torch.full((rows,), 500)

    def evaluation(rows: int) -> Callable[[], object]:
        x, t = shown(rows)
        return torch.no_grad()(lambda: member(x, t))

    def tangents(count: int, rows: int) -> Callable[[], object]:
        x, t = shown(rows)
        moved = torch.randn(count, *x.shape, generator=generator)
        return torch.no_grad()(lambda: propagate(lambda point: member(point, t), x, moved, count))

    def training(batch: int) -> Callable[[], object]:
        return product_run(NETWORK, 0, 200, batch).advance

    values = np.random.default_rng(0).random((max(WORKS), int(np.prod(NETWORK.shape))), dtype=np.float32)

    def ranking(works: int) -> Callable[[], object]:
        return lambda: mean_squared_differences(values[:1], values[:works])

    jobs = {
        **{f"evaluation {rows}": evaluation(rows) for rows in ROWS},
        **{f"tangents {count} {rows}": tangents(count, rows) for count, rows in TANGENTS},
        **{f"training {batch}": training(batch) for batch in BATCHES},
        **{f"ranking {works}": ranking(works) for works in WORKS},
    }
    seconds = interleaved_medians(jobs, 3 * rounds)
    a, b = line(ROWS, [seconds[f"evaluation {rows}"] for rows in ROWS])
    carried = [seconds[f"tangents {count} {rows}"] - (a + b * rows) for count, rows in TANGENTS]
    c, d = line([count * rows for count, rows in TANGENTS], carried)
    s, u = line(BATCHES, [seconds[f"training {batch}"] for batch in BATCHES])
    q = float(np.mean([seconds[f"ranking {works}"] / works for works in WORKS]))
    return {"a": a, "b": b, "c": c, "d": d, "s": s, "u": u, "q": q}


def line(sizes: Sequence[float], seconds: Sequence[float]) -> tuple[float, float]:
    """The constant and the slope of the line with the least squares of relative errors."""
    weights = 1.0 / np.maximum(np.array(seconds), 1e-9)
    columns = np.stack([np.ones(len(sizes)), np.array(sizes, dtype=np.float64)], axis=1)
    (first, slope), *_ = np.linalg.lstsq(columns * weights[:, None], np.ones(len(sizes)), rcond=None)
    return float(first), float(slope)


def held_out(constants: dict[str, float], rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """Predicted and measured seconds of jobs at sizes outside the fit."""
    a, b, c, d, s, u, q = (constants[name] for name in "abcdsuq")

    def e(rows: int) -> float:
        return a + b * rows

    members, rows, steps, looks, batch = 12, 8, 5, 6, 64
    ensemble = Ensemble([NETWORK.new_member(seed).eval().requires_grad_(False) for seed in range(members)])
    sampler = SamplerSettings(steps=steps)
    noise = noise_batch(list(range(rows)), sampler.draws, NETWORK.shape)
    images = torch.rand(rows, *NETWORK.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    run = product_run(NETWORK, 0, 200, batch)
    values = np.random.default_rng(0).random((HELD_OUT_WORKS, int(np.prod(NETWORK.shape))), dtype=np.float32)
    few, some = SamplerSettings(looks=looks), noise[:2, :2]
    jobs: dict[str, Callable[[], object]] = {
        "sampling": lambda: sample(ensemble, noise, sampler),
        "looks": lambda: list(renoise_together(ensemble, images, few, list(range(rows)))),
        "Jacobian": lambda: sample_with_jacobian(ensemble, some, SamplerSettings(steps=2)),
        "training": run.advance,
        "ranking": lambda: mean_squared_differences(values[:1], values),
    }
    predicted = {
        "sampling": members * steps * e(rows),
        "looks": members * e(looks * rows),
        "Jacobian": members * (e(2) + c + d * members * 2) + members * e(2),
        "training": s + u * batch,
        "ranking": q * HELD_OUT_WORKS,
    }
    return predicted, interleaved_medians(jobs, rounds)


if __name__ == "__main__":
    sys.exit(main())
