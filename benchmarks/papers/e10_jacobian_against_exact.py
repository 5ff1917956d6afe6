"""E10: does a Jacobian's estimate of influence order units like real ablation?

TDA, "How well does influence measured by Jacobian approximation align with true influence?", with
its two baselines. For every sample, Spearman's rank correlation over all units between the true
influence and each estimate.

    python -m benchmarks.papers.e10_jacobian_against_exact --data FOLDER
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from benchmarks.papers import landscapes
from benchmarks.papers.measures import estimate, interval, rounded
from benchmarks.papers.reporting import arguments, keep, plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "e10_jacobian_against_exact"


def main() -> int:
    """Measure, write the result, and return 1 if the Jacobian is not above both baselines."""
    setting, options = arguments(NAME, units=300, samples=32)
    trained = setting.ensemble_of(options.units)
    seeds = list(range(options.samples))
    jacobian, _ = landscapes.first_order(setting.cache, trained, seeds)
    found: dict[str, list[float]] = {"jacobian": [], "last_step_noise": [], "individual_models": []}
    ratios = []
    for seed in seeds:
        true = landscapes.exact(setting.cache, trained, seed).raw
        estimates = {
            "jacobian": jacobian[seed],
            "last_step_noise": landscapes.last_step_noise(trained, seed),
            "individual_models": landscapes.individual_models(trained, seed),
        }
        for name, values in estimates.items():
            found[name].append(float(stats.spearmanr(values, true).statistic))
        ratios.append(float(np.median(jacobian[seed] / true)))
    by_method = {name: np.array(values) for name, values in found.items()}
    best = np.maximum(by_method["last_step_noise"], by_method["individual_models"])
    held = bool(by_method["jacobian"].mean() > 0) and all(
        interval(by_method["jacobian"] - by_method[name])[0] > 0 for name in found if name != "jacobian"
    )
    results = {
        "ensemble": trained.facts,
        "spearman_with_exact": {name: estimate(values) for name, values in by_method.items()},
        "jacobian_above_the_better_baseline": estimate(by_method["jacobian"] - best),
        "median_estimated_over_exact": rounded(float(np.median(ratios))),
        "held": held,
    }

    def paint(axes: Axes) -> None:
        axes.boxplot(list(by_method.values()), tick_labels=[name.replace("_", " ") for name in by_method])
        axes.axhline(0, color="0.7", linewidth=0.8)
        axes.set_ylabel("Spearman with exact influence, over all units")

    plot(setting.name_of(NAME), f"E10: {trained.units} units, n = {trained.ensemble.n}, {len(seeds)} samples", paint)
    claim = "Jacobian influence correlates with exact ablation, above last-step noise and individual models"
    return keep(NAME, setting, claim, results)


if __name__ == "__main__":
    sys.exit(main())
