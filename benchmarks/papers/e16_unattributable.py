"""E16: some samples do not change whichever unit is removed (ABC, "the existence of unattributable
samples").

Works are black-and-white digits, and a sample is its output with a threshold at the middle, so
"does not change" means that no pixel changes. Units are removed for real until one changes the
sample (its radius is then not 0), or all have been removed.

    python -m benchmarks.papers.e16_unattributable --data FOLDER
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from attribution.ablation.exact import counterfactuals
from benchmarks.papers.ensembles import SAMPLER, Trained, train
from benchmarks.papers.measures import share
from benchmarks.papers.reporting import arguments, keep, plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "e16_unattributable"
FIRST = 8
"""Units removed together at first: most samples change with one of them and need no more."""
AT_ONCE = 256
SHOWN = 12


def main() -> int:
    """Measure, write the result, and return 1 if every sample changes with some unit."""
    setting, options = arguments(NAME, units=900, members=12, samples=100, steps=1500)
    digits = setting.digits(side=8)
    works = ((digits.works[: options.units] >= 128) * 255).astype(np.uint8)
    recipe = replace(setting.recipe, n=options.members, h=options.members // 2)
    recipe = replace(recipe, training=replace(recipe.training, steps=options.steps))
    trained = train(setting.cache, recipe, works)
    changing = np.array([units_until_change(trained, seed) for seed in range(options.samples)])
    unattributable = np.flatnonzero(changing < 0)
    binary = (trained.draw([*unattributable[:SHOWN].tolist(), 0])[:, 0] >= 0).numpy()[:-1]
    results = {
        "ensemble": {**trained.facts, "works_are": f"{digits.source}, cut at half"},
        "radius_exactly_0": share(changing < 0),
        "held": bool(len(unattributable)),
    }

    def paint(axes: Axes) -> None:
        strip = np.concatenate(list(binary), axis=1) if len(binary) else np.zeros((trained.side, trained.side))
        axes.imshow(strip, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
        axes.set_axis_off()

    title = f"E16: samples that none of {trained.units} units changes ({len(unattributable)} of {options.samples})"
    plot(setting.name_of(NAME), title, paint, (6.0, 1.2))
    return keep(NAME, setting, "some samples of binarised digits have a counterfactual radius of exactly 0", results)


def units_until_change(trained: Trained, seed: int) -> int:
    """Number of removals up to the first that changed the picture; -1 if none did."""
    noise = trained.noise([seed])[0]
    whole = trained.draw([seed])[0] >= 0
    start = 0
    while start < trained.units:
        rows = trained.membership[start : start + (FIRST if start == 0 else AT_ONCE)]
        without = counterfactuals(trained.ensemble, noise, SAMPLER, rows, rows_at_once=AT_ONCE) >= 0
        if bool((without != whole).any()):
            return start + len(rows)
        start += len(rows)
    return -1


if __name__ == "__main__":
    sys.exit(main())
