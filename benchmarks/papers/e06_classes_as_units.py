"""E6: ablating a sample's own class changes it, ablating another mostly leaves it (WDL, figure 1b).

python -m benchmarks.papers.e06_classes_as_units --data FOLDER
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.papers.classes import CLASSES, measure
from benchmarks.papers.measures import estimate, share
from benchmarks.papers.reporting import arguments, keep, plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "e06_classes_as_units"


def main() -> int:
    """Measure, write the result, and return 1 unless own classes change samples more often."""
    setting, options = arguments(NAME, samples=1000)
    found = measure(setting, options.samples)
    rows = np.arange(options.samples)
    changed = found.predicted_without != found.predicted[:, None]
    own_changed = changed[rows, found.predicted]
    others = np.ones_like(changed)
    others[rows, found.predicted] = False
    left = (~changed & others).sum(axis=1) / others.sum(axis=1)
    results = {
        "ensemble": found.facts,
        "class_changes_without_its_own_class": share(own_changed),
        "other_classes_that_leave_it": estimate(left),
        "all_other_classes_leave_it": share(left == 1.0),
        "own_class_has_the_largest_influence": share(found.influence.argmax(axis=1) == found.predicted),
        "held": bool(own_changed.mean() > 0.5 > 1.0 - left.mean()),
    }
    seeds = [int(np.flatnonzero(found.predicted == place)[0]) for place in np.unique(found.predicted)]
    side = found.trained.side
    strips = [found.images[seeds], *found.images_without[seeds].swapaxes(0, 1)]
    table = np.concatenate([np.concatenate(list(strip.reshape(-1, side, side)), axis=1) for strip in strips])

    def paint(axes: Axes) -> None:
        axes.imshow(table, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
        names = ["generated", *(f"without {label}" for label in CLASSES)]
        axes.set_yticks([side * (row + 0.5) for row in range(len(names))], names)
        axes.set_xticks([])

    plot(setting.name_of(NAME), "E6: the first sample of each predicted class, without each class", paint, (5.0, 5.0))
    return keep(NAME, setting, "ablating a sample's own class changes it; most others leave it", results)


if __name__ == "__main__":
    sys.exit(main())
