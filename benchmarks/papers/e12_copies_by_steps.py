"""E12, how long: copies that one of the product's UNets makes, by steps of its training and works.

The works of one member of an encoding of 64 and of 300 works are half of these. Every number of
steps is a state of one training, whose learning rate falls to 0 at the last of them.

    python -m benchmarks.papers.e12_copies_by_steps --data FOLDER
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from attribution.sampling.noise import noise_batch
from attribution.sampling.sampler import sample
from attribution.training.loop import TrainingRun
from benchmarks.papers.copies import Drawn, copied
from benchmarks.papers.digits import flat
from benchmarks.papers.ensembles import RECIPES, SAMPLER, UNET, pictures, training_of
from benchmarks.papers.reporting import Setting, arguments, keep, plot
from registry.home import write_folder_atomically
from registry.ids import content_id

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "e12_copies_by_steps"
STATES = 5


def main() -> int:
    """Measure, write the result, and return 1 unless each training ends with mostly copies."""
    setting, options = arguments(NAME, works=[32, 150], steps=[3000, 9000], samples=128)
    pairs = zip(options.works, options.steps, strict=True)
    cases = [measure(setting, count, steps, options.samples) for count, steps in pairs]
    held = all(case["states"][-1]["near_copies"]["share"] > 0.5 for case in cases)

    def paint(axes: Axes) -> None:
        for case in cases:
            shares = [100.0 * state["near_copies"]["share"] for state in case["states"]]
            axes.plot([state["steps"] for state in case["states"]], shares, "o-", label=f"{case['works']} works")
        axes.set(xlabel="steps of training", ylabel="near copies, % of samples", ylim=(0, 100))
        axes.legend(frameon=False)

    plot(NAME, "E12: copies by one of the product's UNets", paint, (4.5, 3.2))
    return keep(NAME, setting, "a UNet that trains long enough copies its works", {"cases": cases, "held": held})


def measure(setting: Setting, count: int, steps: int, samples: int) -> dict[str, Any]:
    """Copies of the first works by the states of one training."""
    recipe = RECIPES["unet"]
    recipe = replace(recipe, training=replace(recipe.training, steps=steps))
    digits = setting.digits(UNET.size)
    works = digits.works[:count]
    settings, training_set = training_of(recipe, UNET, works, np.zeros(count, np.uint64))
    folder = setting.cache / content_id("states", {"recipe": settings.to_json(), "works": training_set.hashes})
    marks = [steps * (state + 1) // STATES for state in range(STATES)]
    folders = [folder / f"step-{mark}" for mark in marks]
    if not folders[-1].exists():
        run = TrainingRun(settings, training_set, np.arange(count), 0, "cpu")
        run.resume(folder / "checkpoint")
        for mark, state in zip(marks, folders, strict=True):
            while run.step < mark:
                run.advance()
            if not state.exists():
                write_folder_atomically(state, partial(UNET.save_member, run.member))
                run.save(folder / "checkpoint")
                print(f"{count} works: step {mark} of {steps}", flush=True)
    states = UNET.open_members(folders, "cpu")
    noise = noise_batch(list(range(samples)), SAMPLER.draws, UNET.shape)
    found = []
    for mark, weights in zip(marks, torch.eye(STATES, dtype=torch.float64), strict=True):
        images = pictures(sample(states, noise, SAMPLER, weights=weights.expand(samples, -1)))
        found.append({"steps": mark, **copied([Drawn(images, flat(works))], flat(digits.held_out[:2000]))})
    return {"works": count, "batch_size": recipe.training.batch_size, "samples": samples, "states": found}


if __name__ == "__main__":
    sys.exit(main())
