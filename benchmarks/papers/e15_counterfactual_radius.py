"""E15: the counterfactual radius falls as the training set grows (ABC).

The radius is the largest distance that the removal of one unit moves a sample. On the first
``--full`` samples of each number of units, all units are removed for real. On the others only the
first units by the Jacobian are removed: a lower bound, with its gap measured on the samples with
both. Distances are between pictures in [0, 1], in ABC's scale.

    python -m benchmarks.papers.e15_counterfactual_radius --data FOLDER
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from attribution.metrics.euclidean import NotMeasured
from benchmarks.papers import landscapes
from benchmarks.papers.ensembles import Trained
from benchmarks.papers.measures import geometric_mean, interval, rounded
from benchmarks.papers.reporting import Setting, arguments, keep, plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "e15_counterfactual_radius"
PUBLISHED = {256: 103.6, 512: 100.6, 1024: 87.0, 2048: 65.6, 4096: 56.9, 8192: 58.3}
PUBLISHED_INTERCEPT, PUBLISHED_SLOPE = 2.46, -0.2
RESAMPLES = 1000
NOT_ENUMERATED = NotMeasured("no sample had all units removed at this size")


def main() -> int:
    """Measure, write the result, and return 1 if the radius does not fall."""
    setting, options = arguments(NAME, units=[64, 300, 10000], samples=32, shortlist=48, full=[32, 32])
    options.units = setting.rungs(options.units)
    full = [*options.full, *[0] * len(options.units)]
    rungs = [
        measure(setting, setting.ensemble_of(units), options, count)
        for units, count in zip(options.units, full, strict=False)
    ]
    radii = [np.array(rung.pop("radii")) for rung in rungs]
    slope, bounds = slope_of(options.units, radii)
    # Exact where enumerated, else a lower bound: so the slope's whole interval must be below 0.
    held = bounds[1] < 0
    results = {
        "rungs": rungs,
        "slope_of_log10_radius_on_log10_units": {"value": rounded(slope[0]), "interval_95": bounds},
        "intercept": rounded(slope[1]),
        "published": {"geometric_means": PUBLISHED, "intercept": PUBLISHED_INTERCEPT, "slope": PUBLISHED_SLOPE},
        "held": held,
    }

    def paint(axes: Axes) -> None:
        for units, values in zip(options.units, radii, strict=True):
            axes.plot(np.full(len(values), units), values, ".", color="0.75", markersize=3)
        means = [geometric_mean(values) for values in radii]
        axes.plot(options.units, means, "o-", label=f"measured, slope {slope[0]:.2f}")
        axes.plot(list(PUBLISHED), list(PUBLISHED.values()), "s--", label=f"ABC on MNIST, slope {PUBLISHED_SLOPE}")
        axes.set(xscale="log", yscale="log", xlabel="units N", ylabel="counterfactual radius")
        axes.legend(frameon=False)

    plot(setting.name_of(NAME), "E15: counterfactual radius against the number of units", paint)
    return keep(NAME, setting, "the counterfactual radius falls as the training set grows", results)


def measure(setting: Setting, trained: Trained, options: Any, full: int) -> dict[str, Any]:  # noqa: ANN401  # argparse's namespace
    """Radii of one ensemble's samples."""
    seeds = list(range(options.samples))
    jacobian, _ = landscapes.first_order(setting.cache, trained, seeds)
    enumerated = min(len(seeds), full)
    radii, ratios = [], []
    for seed in seeds:
        first = np.argsort(-jacobian[seed], kind="stable")[: options.shortlist]
        if seed < enumerated:
            found = landscapes.exact(setting.cache, trained, seed).seen
            ratios.append(float(found[first].max() / found.max()))
        else:
            found = landscapes.exact(setting.cache, trained, seed, first).seen
        radii.append(float(found.max()))
    values = np.array(radii)
    print(f"N = {trained.units}: geometric mean {geometric_mean(values):.1f}", flush=True)
    return {
        "ensemble": trained.facts,
        "samples": len(seeds),
        "geometric_mean": rounded(geometric_mean(values)),
        "interval_95": interval(values, geometric_mean),
        "samples_with_all_units_removed": enumerated,
        "units_removed_on_the_others": min(options.shortlist, trained.units),
        "shortlist_over_full_radius": {"mean": rounded(float(np.mean(ratios))), "lowest": rounded(min(ratios))}
        if ratios
        else NOT_ENUMERATED.to_json(),
        "radii": radii,
    }


def slope_of(units: list[int], radii: list[np.ndarray]) -> tuple[tuple[float, float], list[float]]:
    """Slope and intercept of log10 radius on log10 units; the slope's interval over samples."""

    def fit(values: list[np.ndarray]) -> tuple[float, float]:
        x = np.concatenate([np.full(len(part), np.log10(count)) for count, part in zip(units, values, strict=True)])
        slope, intercept = np.polyfit(x, np.log10(np.concatenate(values)), 1)
        return float(slope), float(intercept)

    generator = np.random.default_rng(0)
    drawn = [fit([part[generator.integers(0, len(part), len(part))] for part in radii])[0] for _ in range(RESAMPLES)]
    return fit(radii), [rounded(bound) for bound in np.quantile(drawn, [0.025, 0.975])]


if __name__ == "__main__":
    sys.exit(main())
