"""E5: do an ensemble's images converge as it grows? (TDA, "Does ensemble converges?")

The same noise goes through the first m members for growing m. Two distances: to the whole ensemble,
including these members, and between two disjoint ensembles of m members.

    python -m benchmarks.papers.e05_growing_n --data FOLDER
"""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from attribution.metrics.euclidean import euclidean
from benchmarks.papers.ensembles import Trained
from benchmarks.papers.measures import estimate
from benchmarks.papers.reporting import arguments, keep, plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "e05_growing_n"


def main() -> int:
    """Measure, write the result, and return 1 unless distances fall from each size to the next."""
    setting, options = arguments(NAME, units=[300, 10_000], samples=128)
    options.units = setting.rungs(options.units)
    cases = [measure(setting.ensemble_of(units), options.samples) for units in options.units]
    held = all(
        all(later["mean"] < earlier["mean"] for earlier, later in itertools.pairwise(rows))
        for case in cases
        for rows in (list(case["to_the_whole"].values()), list(case["between_disjoint"].values()))
    )

    def paint(axes: Axes) -> None:
        for case in cases:
            for kind, style in (("to_the_whole", "o-"), ("between_disjoint", "s--")):
                sizes = [int(size) for size in case[kind]]
                label = f"{case['ensemble']['units']} units, {kind.replace('_', ' ')}"
                axes.plot(sizes, [case[kind][str(size)]["mean"] for size in sizes], style, label=label)
        axes.set(xscale="log", yscale="log", xlabel="members m", ylabel="distance of images under one noise")
        axes.set_xticks([1, 2, 4, 8, 12], ["1", "2", "4", "8", "12"])
        axes.minorticks_off()
        axes.legend(frameon=False)

    plot(setting.name_of(NAME), "E5: growing the ensemble", paint)
    return keep(NAME, setting, "images of growing ensembles under one noise converge", {"cases": cases, "held": held})


def measure(trained: Trained, samples: int) -> dict[str, Any]:
    """Mean distances (scaled Euclidean, of pictures) by number of members."""
    n, seeds = trained.ensemble.n, list(range(samples))
    sizes = [size for size in (1, 2, 4, 8, 12) if size < n]

    def images(first: int, count: int) -> Tensor:
        weights = torch.zeros(samples, n, dtype=torch.float64)
        weights[:, first : first + count] = 1.0 / count
        return trained.draw(seeds, weights).clamp(-1.0, 1.0)

    whole = images(0, n)
    begun = {size: images(0, size) for size in sizes}
    return {
        "ensemble": trained.facts,
        "to_the_whole": {str(size): estimate(np.asarray(euclidean(begun[size], whole))) for size in sizes},
        "between_disjoint": {
            str(size): estimate(np.asarray(euclidean(begun[size], images(size, size))))
            for size in sizes
            if 2 * size <= n
        },
    }


if __name__ == "__main__":
    sys.exit(main())
