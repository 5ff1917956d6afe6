"""E13: 10,000 works give fewer copies than 300, and less intuitive attributions (WDL, figure 2b).

python -m benchmarks.papers.e13_fewer_copies --data FOLDER
"""

from __future__ import annotations

import sys

from benchmarks.papers.copies import attributions, copying, paint_attributions
from benchmarks.papers.reporting import arguments, keep, plot

NAME = "e13_fewer_copies"


def main() -> int:
    """Measure, write the result, and return 1 if copies are not fewer."""
    setting, options = arguments(NAME, few=300, units=10_000, samples=512, attributed=32)
    digits = setting.digits()
    fewer = setting.ensemble_of(options.few)
    few = copying(fewer, digits, options.samples)
    trained = setting.ensemble_of(options.units)
    many = copying(trained, digits, options.samples)
    found = attributions(setting, trained, digits, options.attributed)
    plot(
        setting.name_of(NAME),
        f"E13: {trained.units} units",
        lambda axes: paint_attributions(axes, found, trained.side),
        (9.0, 2.4),
    )
    for kind in ("images", "top", "nearest"):
        del found[kind]
    held = bool(few["near_copies"]["interval_95"][0] > many["near_copies"]["interval_95"][1])
    results = {
        "ensemble": trained.facts,
        "copying": {str(fewer.units): few, str(trained.units): many},
        "attribution": found,
        "held": held,
    }
    return keep(NAME, setting, f"fewer near copies from {trained.units} works than from {fewer.units}", results)


if __name__ == "__main__":
    sys.exit(main())
