"""Members that trained in bfloat16 beside members that trained in float32: what each learned.

Both trainings have the same start, the same works and the same noise, and both members predict in
float32. Measured are the processor time, the denoising loss on the works and on pictures that no
member saw, and how far the predictions of two such members lie apart, beside those of two members
that saw other works.

    python -m benchmarks.members.precision --source CIFAR [--members 4] [--steps 1000]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from jaxtyping import Float, Float64, UInt8
from torch import Tensor

from attribution.denoisers.schedule import alpha_bars
from attribution.ensemble.recipe import Precision, TrainingSettings
from attribution.images import from_pixels
from attribution.training.loop import TrainingRun
from benchmarks.lds.data import cifar_pictures
from benchmarks.members.training_speed import NETWORKS, run_on
from benchmarks.record import conclude

NETWORK = NETWORKS["32 px"]
WORKS, UNSEEN = 256, 128
RATE = 2e-3
"""Peak learning rate. At three times as much, some members of this network diverge in either
precision."""
TIMES = (50, 150, 300, 500, 700)
"""Timesteps at which members predict, of 1,000."""
MOST = 0.02
"""By which part the loss on unseen pictures may be larger."""
FLOAT32, BFLOAT16 = get_args(Precision)


def main() -> int:
    """Measure, write the result, and return 1 if the claim does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.members.precision")
    parser.add_argument("--source", type=Path, required=True, help="folder with a sheet of CIFAR-10's test images")
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--steps", type=int, default=1000)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    pictures, _ = cifar_pictures(chosen.source)
    pictures = pictures[np.random.default_rng(0).permutation(len(pictures))[: WORKS + UNSEEN]]
    found = measure(pictures[:WORKS], pictures[WORKS:], chosen.members, chosen.steps)
    held = found["loss_on_unseen"]["by_float32"] < 1 + MOST and found["time_by_float32"] < 1
    claim = f"training in bfloat16 is faster, and the loss on unseen pictures at most {MOST:.0%} larger"
    return conclude("members/precision", claim, held, found, ("torch",))


Pixels = UInt8[np.ndarray, "image height width channel"]


def measure(works: Pixels, others: Pixels, members: int, steps: int) -> dict[str, Any]:
    """Train every member twice, on its own half of the works."""
    losses: dict[str, list[tuple[float, float]]] = {FLOAT32: [], BFLOAT16: []}
    seconds = {FLOAT32: 0.0, BFLOAT16: 0.0}
    predictions: dict[str, list[np.ndarray]] = {FLOAT32: [], BFLOAT16: []}
    for member in range(members):
        rows = np.sort(np.random.default_rng(member).permutation(len(works))[: len(works) // 2])
        for precision in get_args(Precision):
            begun = time.process_time()
            run = trained(works, rows, member, steps, precision)
            seconds[precision] += time.process_time() - begun
            seen, _ = predicted(run, from_pixels(works[rows]))
            unseen, noise = predicted(run, from_pixels(others))
            losses[precision].append((seen, unseen))
            predictions[precision].append(noise)
            print(member, precision, f"{seconds[precision]:.0f} s", seen, unseen, flush=True)
    both = {name: np.array(values) for name, values in losses.items()}
    return {
        "pixels": NETWORK.size,
        "works_of_a_member": len(works) // 2,
        "members": members,
        "steps": steps,
        "learning_rate": RATE,
        "processor_seconds": {name: round(value, 1) for name, value in seconds.items()},
        "time_by_float32": round(seconds[BFLOAT16] / seconds[FLOAT32], 3),
        "loss_on_works": _beside(both, 0),
        "loss_on_unseen": _beside(both, 1),
        "distance_of_predictions": {
            "same works, other precision": _distance(predictions[FLOAT32], predictions[BFLOAT16]),
            "other works, same precision": _distance(predictions[FLOAT32], np.roll(predictions[FLOAT32], 1, axis=0)),
        },
    }


def trained(works: Pixels, rows: np.ndarray, member: int, steps: int, precision: Precision) -> TrainingRun:
    """A member after its last step."""
    training = TrainingSettings(steps=steps, learning_rate=RATE, precision=precision)
    run = run_on(works, rows, NETWORK, training, member)
    for _ in range(steps):
        run.advance()
    return run


@torch.no_grad()
def predicted(
    run: TrainingRun, images: Float[Tensor, "image channel height width"]
) -> tuple[float, Float64[np.ndarray, " value"]]:
    """The mean squared error of the noise, in float32, and the predictions."""
    alpha_bar = torch.from_numpy(alpha_bars(run.training)).float()
    errors, found = [], []
    for number, at in enumerate(TIMES):
        noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(number))
        t = torch.full((len(images),), at)
        x_t = alpha_bar[at].sqrt() * images + (1 - alpha_bar[at]).sqrt() * noise
        eps = run.member(x_t, t)
        errors.append(float((eps - noise).square().mean()))
        found.append(eps.double().flatten().numpy())
    return float(np.mean(errors)), np.concatenate(found)


def _beside(losses: dict[str, np.ndarray], column: int) -> dict[str, float]:
    exact, rounded = losses[FLOAT32][:, column], losses[BFLOAT16][:, column]
    return {
        FLOAT32: round(float(exact.mean()), 5),
        BFLOAT16: round(float(rounded.mean()), 5),
        "by_float32": round(float((rounded / exact).mean()), 4),
        "lowest_by_float32": round(float((rounded / exact).min()), 4),
        "highest_by_float32": round(float((rounded / exact).max()), 4),
    }


def _distance(ours: Any, theirs: Any) -> float:  # noqa: ANN401  # rows of predictions
    """Root mean square, over members, images and values."""
    return round(float(np.sqrt(np.square(np.array(ours) - np.array(theirs)).mean())), 5)


if __name__ == "__main__":
    sys.exit(main())
