"""One figure: power and LDS against the cost of training, for every arm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.lds.plots import save

PANELS = (
    ("p_at_most_0.01", "outputs whose first work has p <= 0.01", 100),
    ("lds_outputs", "LDS of exact ablation on retrained models", 100),
)
COLOURS = (("trunk", "#ff7f0e", "from a trunk"), ("cycles", "#2ca02c", "snapshots"), ("", "#1f77b4", "from noise"))


def plot(sets: dict[str, Any], path: Path) -> None:
    """A row of panels for each set; intervals are over images and repetitions."""
    figure = Figure(figsize=(11, 4.4 * len(sets)), layout="constrained")
    grid = figure.subplots(len(sets), len(PANELS), squeeze=False)
    for row, (data, facts) in zip(grid, sets.items(), strict=True):
        for axes, (measure, label, scale) in zip(row, PANELS, strict=True):
            for part, colour, legend in COLOURS:
                arms = {name: arm for name, arm in facts["arms"].items() if _kind(name) == part}
                costs = [arm["training_cost"] for arm in arms.values()]
                values = [scale * arm[measure]["value"] for arm in arms.values()]
                low = [scale * arm[measure]["low"] for arm in arms.values()]
                high = [scale * arm[measure]["high"] for arm in arms.values()]
                below = [value - bound for value, bound in zip(values, low, strict=True)]
                above = [bound - value for value, bound in zip(values, high, strict=True)]
                axes.errorbar(
                    costs,
                    values,
                    yerr=[below, above],
                    fmt="o",
                    color=colour,
                    markersize=4,
                    linewidth=0.8,
                    label=legend,
                )
                for name, cost, value in zip(arms, costs, values, strict=True):
                    axes.annotate(name, (cost, value), (4, 4), textcoords="offset points", fontsize=6)
            axes.set_xscale("log", base=2)
            axes.set(title=data, xlabel="processor time of training, by 16 members at all steps", ylabel=label)
            axes.legend(fontsize=7, loc="lower right")
    save(figure, path)


def _kind(name: str) -> str:
    return next(part for part, _, _ in COLOURS if part in name)
