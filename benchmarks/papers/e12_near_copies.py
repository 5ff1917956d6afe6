"""E12: with 300 works an ensemble generates near copies, and the top unit is the work that was copied (WDL, figure 2a).

python -m benchmarks.papers.e12_near_copies --data FOLDER
"""

from __future__ import annotations

import sys

from benchmarks.papers.copies import attributions, copying, paint_attributions
from benchmarks.papers.reporting import arguments, keep, plot

NAME = "e12_near_copies"


def main() -> int:
    """Measure, write the result, and return 1 if the nearest work does not stand out among the influences."""
    setting, options = arguments(NAME, units=300, samples=512, attributed=32)
    trained, digits = setting.ensemble_of(options.units), setting.digits()
    found = attributions(setting, trained, digits, options.attributed, by_ablation=True)
    plot(NAME, f"E12: {trained.units} units", lambda axes: paint_attributions(axes, found, trained.side), (9.0, 2.4))
    for kind in ("images", "top", "nearest"):
        del found[kind]
    standing = found["by_influence"]["exact"]["standing_of_the_nearest"]["interval_95"]
    results = {
        "ensemble": trained.facts,
        "copying": copying(trained, digits, options.samples),
        "attribution": found,
        "held": standing[0] > 0.5,
    }
    claim = "the nearest work stands above the middle of all units' exact influences (what WDL shows by eye)"
    keep(NAME, setting, claim, results)
    return not results["held"]


if __name__ == "__main__":
    sys.exit(main())
