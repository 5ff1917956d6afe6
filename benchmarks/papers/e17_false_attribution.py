"""E17: how often similarity alone names a work that cannot be the cause (ABC).

Attribute a sample to the nearest training work, regenerate it without that work, and attribute
again. If the same work is named although no model saw it, the attribution was false. The rate is
divided by how often the work is named after the removal of a random other work.

    python -m benchmarks.papers.e17_false_attribution --data FOLDER
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from attribution.ablation.exact import ablation_weights
from benchmarks.papers.ensembles import Trained, flat_works, pictures
from benchmarks.papers.measures import interval, nearest, rounded, share
from benchmarks.papers.reporting import arguments, keep, plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "e17_false_attribution"
PUBLISHED = "near 0 at 256 units, near 1 by 4096 to 8192"


def main() -> int:
    """Measure, write the result, and return 1 unless the rate rises with the number of units."""
    setting, options = arguments(NAME, units=[64, 300, 10000], samples=256)
    options.units = setting.rungs(options.units)
    rungs = [measure(setting.ensemble_of(units), options.samples) for units in options.units]
    held = bool(rungs[0]["relative_rate"]["interval_95"][1] < rungs[-1]["relative_rate"]["interval_95"][0])
    results = {"rungs": rungs, "published": PUBLISHED, "held": held}

    def paint(axes: Axes) -> None:
        values = [rung["relative_rate"]["value"] for rung in rungs]
        bounds = np.array([rung["relative_rate"]["interval_95"] for rung in rungs]).T
        axes.errorbar(options.units, values, np.abs(bounds - values), fmt="o-", capsize=3)
        axes.set(xscale="log", ylim=(0, 1.1), xlabel="units N", ylabel="false attribution rate, relative")

    plot(setting.name_of(NAME), "E17: false attributions by similarity", paint)
    return keep(NAME, setting, "the false attribution rate of similarity rises with the training set", results)


def measure(trained: Trained, count: int) -> dict[str, Any]:
    """Rates of one ensemble."""
    seeds = list(range(count))
    works = flat_works(trained)
    named, _ = nearest(pictures(trained.draw(seeds)), works)
    other = (named + np.random.default_rng(1).integers(1, trained.units, count)) % trained.units

    def again_without(units: np.ndarray) -> np.ndarray:
        y = trained.draw(seeds, ablation_weights(trained.membership[units]))
        return np.asarray(nearest(pictures(y), works)[0] == named)

    without_it, without_other = again_without(named), again_without(other)
    both = np.stack([without_it, without_other], axis=1).astype(float)

    def relative(rows: np.ndarray) -> float:
        return float(rows[:, 0].sum() / max(1.0, rows[:, 1].sum()))

    print(f"N = {trained.units}: {relative(both):.2f}", flush=True)
    return {
        "ensemble": trained.facts,
        "named_again_without_it": share(without_it),
        "named_again_without_another": share(without_other),
        "relative_rate": {"value": rounded(relative(both)), "interval_95": interval(both, relative)},
    }


if __name__ == "__main__":
    sys.exit(main())
