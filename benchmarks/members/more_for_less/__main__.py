"""Runs the study: trains all arms, measures them, and writes the result and its plot."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.grades.held_out_sizes import kept_json
from benchmarks.lds.grades import ceiling
from benchmarks.lds.ground_truth import HALF_SEEDS, HALVES
from benchmarks.lds.models import TOGETHER
from benchmarks.members import more_for_less
from benchmarks.members.more_for_less.arms import ARMS, DECISIVE, QUICK, RANK, REFERENCE, Arm, Studied
from benchmarks.members.more_for_less.measures import DECOYS, OUTPUTS, OWN, Common, Interval, Measured, measured
from benchmarks.members.more_for_less.plot import plot
from benchmarks.record import RESULTS, conclude

NAME = "members/more_for_less"
CLAIM = "at the cost of 16 members, 64 members of a quarter of the steps find more first works at p <= 0.01"
DECIDES = "p_at_most_0.01"
PACKAGES = ("torch", "numpy", "scikit-learn")


def main() -> int:
    """Train, measure, write the result, and return 1 if the claim does not hold."""
    parser = argparse.ArgumentParser(
        description=more_for_less.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", choices=("digits", "emoji", "cifar"), nargs="+", default=["digits"])
    parser.add_argument("--source", type=Path, help="folder of the emoji or of CIFAR-10; the digits are scikit-learn's")
    parser.add_argument("--cache", type=Path, required=True, help="where models and measurements are kept")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--of-others", type=int, default=3, help="repetitions of arms that decide nothing")
    parser.add_argument("--redraws", type=int, default=20, help="wrong codes per arm, in the first repetition")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sets = {}
    for name in options.data:
        study = Studied.of(name, options.source, options.cache)
        sets[name] = of_set(study, options.repetitions, options.of_others, options.redraws)
    held = all(facts["arms"][QUICK.name]["minus_the_reference"][DECIDES]["low"] > 0 for facts in sets.values())
    plot(sets, RESULTS / f"{NAME}.svg")
    command = (
        f"python -m benchmarks.members.more_for_less --data {' '.join(options.data)} --source SOURCE --cache CACHE "
        f"--repetitions {options.repetitions} --of-others {options.of_others} --redraws {options.redraws}"
    )
    return conclude(NAME, CLAIM, held, {"sets": sets}, PACKAGES, command)


def of_set(study: Studied, repetitions: int, of_others: int, redraws: int) -> dict[str, Any]:
    """All arms of one set of works; some may be repeated less often."""
    common = Common.of(study)
    found: dict[str, list[Measured]] = {arm.name: [] for arm in ARMS}
    for repetition in range(repetitions):
        for arm in ARMS:
            if repetition >= of_others and arm not in DECISIVE:
                continue
            one = measured(study, common, arm, repetition, redraws)
            found[arm.name].append(one)
            print(summary(arm, repetition, one), flush=True)
    training, ceiling_of = study.found.training, np.arange(len(common.images)) < OUTPUTS
    steps = kept_json(study.folder / "step-seconds.json", study.step_seconds)
    reference = study.cost(REFERENCE, steps)
    return {
        "works": len(study.found.works),
        "unregistered_works_of_the_trunk": len(study.unregistered),
        "outputs": OUTPUTS,
        "own_outputs": OWN,
        "decoys_at_most": DECOYS,
        "held_out": len(study.found.held_out),
        "steps": training.steps,
        "batch_size": training.batch_size,
        "learning_rate": training.learning_rate,
        "network": study.found.network.to_json(),
        "rank_of_adapters": RANK,
        "truth": {
            "models_of_random_halves": HALVES,
            "training_seeds": len(HALF_SEEDS),
            "ceiling": ceiling(common.half_loss, ceiling_of),
        },
        "seconds_of_a_step_of_a_stack": {kind: float(f"{seconds:.4g}") for kind, seconds in steps.items()},
        "models_in_a_stack": TOGETHER,
        "reference": REFERENCE.name,
        "arms": {
            arm.name: {
                "training_cost": round(study.cost(arm, steps) / reference, 3),
                **facts_of(arm, found[arm.name], found[REFERENCE.name]),
            }
            for arm in ARMS
        },
    }


def summary(arm: Arm, repetition: int, one: Measured) -> str:
    """A line of progress."""
    shown = ("p_at_most_0.05", "p_at_most_0.01", "effect", "width", "lds_outputs", "loss_held_out_ensemble")
    figures = ", ".join(f"{name} {float(np.mean(one.values[name])):.3f}" for name in shown)
    return f"{arm.name}, repetition {repetition}: {one.training_seconds:.1f} s, {figures}"


def facts_of(arm: Arm, ours: list[Measured], reference: list[Measured]) -> dict[str, Any]:
    """An arm's figures, and those beside the reference, paired by image and repetition."""
    reference = reference[: len(ours)]
    names = sorted(ours[0].values)
    mine, theirs = (
        {name: np.stack([one.values[name] for one in side if name in one.values], axis=1) for name in names}
        for side in (ours, reference)
    )
    serving = [one.sampling_seconds / other.sampling_seconds for one, other in zip(ours, reference, strict=True)]
    return {
        "repetitions": len(ours),
        "n": arm.n,
        "share_of_the_steps": arm.share,
        "snapshots": arm.snapshots,
        "training_seconds": [round(one.training_seconds, 1) for one in ours],
        "output_seconds": [round(one.sampling_seconds, 4) for one in ours],
        "output_cost": round(float(np.mean(serving)), 2),
        "median_p": float(f"{np.median(mine['p']):.3g}"),
        "own_median_p": float(f"{np.median(mine['own_p']):.3g}"),
        **{name: Interval.of(values).to_json() for name, values in mine.items() if name not in ("p", "own_p")},
        "minus_the_reference": {
            name: Interval.of(mine[name] - theirs[name]).to_json() for name in names if name not in ("p", "own_p")
        },
        "wrong_codes": ours[0].wrong_codes,
    }


if __name__ == "__main__":
    sys.exit(main())
