"""E4: does the ensemble generate as well as its members? (TDA, "Does ensemble generate coherent
output?")

TDA shows FID, which needs Inception's weights. Instead: the Frechet distance of the same formula on
the first 40 principal axes of held-out digits' pixels, and the energy distance over pixels. Neither
is comparable with a published FID.

    python -m benchmarks.papers.e04_ensemble_against_members --data FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.papers.digits import flat
from benchmarks.papers.ensembles import Trained, flat_works, pictures
from benchmarks.papers.measures import energy_distance, frechet, principal_axes, rounded
from benchmarks.papers.reporting import Setting, arguments, keep, plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "e04_ensemble_against_members"
AXES = 40


def main() -> int:
    """Measure, write the result, and return 1 if the ensemble is worse than its median member."""
    setting, options = arguments(NAME, units=[300, 10_000], samples=512, unseen=3000)
    options.units = setting.rungs(options.units)
    cases = [measure(setting, setting.ensemble_of(units), options.samples, options.unseen) for units in options.units]
    held = all(case["frechet"]["ensemble"] <= case["frechet"]["members_median"] for case in cases)
    results = {"features": f"{AXES} principal axes of unseen digits", "cases": cases, "held": held}

    def paint(axes: Axes) -> None:
        for place, case in enumerate(cases):
            members = case["frechet"]["members"]
            axes.plot(np.full(len(members), place), members, ".", color="0.6", label=None if place else "members")
            axes.plot(place, case["frechet"]["ensemble"], "o", color="C0", label=None if place else "ensemble")
            axes.plot(place, case["frechet"]["works"], "_", color="C2", label=None if place else "works (floor)")
        axes.set_xticks(range(len(cases)), [f"{case['ensemble']['units']} units" for case in cases])
        axes.set(ylabel="Frechet distance to unseen digits", ylim=(0, None), xlim=(-0.5, len(cases) - 0.5))
        axes.legend(frameon=False)

    plot(setting.name_of(NAME), "E4: the ensemble against its members", paint, (4.5, 3.6))
    return keep(NAME, setting, "the ensemble is as near to unseen data as its median member, or nearer", results)


def measure(setting: Setting, trained: Trained, samples: int, unseen: int) -> dict[str, Any]:
    """Both distances for ensemble, single members and works, from equally many pictures."""
    held_out = flat(setting.digits().held_out[:unseen])
    features = principal_axes(held_out, AXES)
    seeds = list(range(samples))
    alone = torch.eye(trained.ensemble.n, dtype=torch.float64)
    sets = [trained.draw(seeds), *(trained.draw(seeds, row.expand(samples, -1)) for row in alone)]
    drawn = [pictures(y) for y in sets]
    works = flat_works(trained)[:samples]
    found: dict[str, Any] = {}
    distances: dict[str, Callable[[np.ndarray], float]] = {
        "frechet": lambda images: frechet(features(images), features(held_out)),
        "energy": lambda images: energy_distance(images, held_out[:1000]),
    }
    for name, distance in distances.items():
        ensemble, *members = [rounded(distance(images)) for images in drawn]
        found[name] = {
            "ensemble": ensemble,
            "members_median": rounded(float(np.median(members))),
            "members_better_than_the_ensemble": int(np.sum(np.array(members) < ensemble)),
            "members": members,
            "works": rounded(distance(works)),
        }
    print(
        f"N = {trained.units}: {found['frechet']['ensemble']} against {found['frechet']['members_median']}", flush=True
    )
    return {"ensemble": trained.facts, "samples": samples, "unseen": len(held_out), **found}


if __name__ == "__main__":
    sys.exit(main())
