"""E12: with 300 works, an ensemble makes near copies of the top unit's work (WDL, figure 2a).

These members, small and briefly trained, copy 300 works less than WDL's did, so fewer works are
measured as well, and single members beside the ensemble. With ``--network memoriser`` every member
knows its works perfectly, which is the end of all training.

    python -m benchmarks.papers.e12_near_copies --data FOLDER
    python -m benchmarks.papers.e12_near_copies --data FOLDER --network unet
"""

from __future__ import annotations

import itertools
import sys
from typing import Any

import numpy as np

from benchmarks.papers.copies import attributions, copying, copying_alone, paint_attributions
from benchmarks.papers.reporting import Setting, arguments, keep, plot

NAME = "e12_near_copies"
KINDS = ("images", "top", "nearest")


def main() -> int:
    """Measure, write the result, and return 1 unless samples are copies and works stand out."""
    setting, options = arguments(NAME, units=[64, 300], samples=512, attributed=32, ablated=[32, 32])
    cases, shown = [], []
    ablations = itertools.chain(options.ablated, itertools.repeat(options.ablated[-1]))
    for units, ablated in zip(setting.rungs(options.units), ablations, strict=False):
        case = measure(setting, units, options.samples, options.attributed, ablated)
        shown.append({kind: case["attribution"].pop(kind) for kind in KINDS})
        cases.append(case)
    side = int(np.sqrt(shown[0]["images"].shape[1]))
    both = {kind: np.concatenate([strip[kind][:8] for strip in shown]) for kind in KINDS}
    title = "E12: eight samples each of " + ", ".join(f"{case['ensemble']['units']} units" for case in cases)
    plot(setting.name_of(NAME), title, lambda axes: paint_attributions(axes, both, side), (9.0, 2.4))
    held = bool(cases[-1]["copies"] and cases[-1]["nearest_stands_out"])
    claim = "most samples of 300 works are near copies, and the nearest work stands out among all exact influences"
    return keep(NAME, setting, claim, {"cases": cases, "held": held})


def measure(setting: Setting, units: int, samples: int, attributed: int, ablated: int) -> dict[str, Any]:
    """Copies and attributions of one ensemble; of ``ablated`` samples also by ablation."""
    trained, digits = setting.ensemble_of(units), setting.digits()
    found = attributions(setting, trained, digits, attributed, ablated)
    copied = copying(trained, digits, samples)
    return {
        "ensemble": trained.facts,
        "copying": copied,
        "copying_by_single_members": copying_alone(trained, digits, samples),
        "attribution": found,
        "copies": copied["near_copies"]["share"] > 0.5,
        "nearest_stands_out": found["by_influence"]["exact"]["standing_of_the_nearest"]["interval_95"][0] > 0.5,
    }


if __name__ == "__main__":
    sys.exit(main())
