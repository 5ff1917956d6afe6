"""One figure: power and LDS against the cost of training, for every arm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.lds.plots import save

PANELS = (
    ("p_at_most_0.01", "% of outputs whose first work has p <= 0.01", (0.0, 1.0)),
    ("lds_outputs", "LDS of exact ablation, in hundredths", (-1.0, 1.0)),
)
COLOURS = {"trunk": "#d95f02", "cycles": "#1b9e77", "": "#4c6faf"}
"""By a part of an arm's name; the first that fits."""
ENDS = ("value", "low", "high")
ASIDE = 1.03
"""Arms of equal cost stand side by side, each further to the right by this factor."""


def plot(sets: dict[str, Any], path: Path) -> None:
    """A row of panels for each set, with 95 % intervals; arms are numbered as in the legend."""
    figure = Figure(figsize=(11, 4.2 * len(sets)), layout="constrained")
    grid = figure.subplots(len(sets), len(PANELS), squeeze=False)
    for row, (data, facts) in zip(grid, sets.items(), strict=True):
        for axes, (measure, label, bounds) in zip(row, PANELS, strict=True):
            for number, (name, arm) in enumerate(facts["arms"].items(), 1):
                colour = next(found for part, found in COLOURS.items() if part in name)
                value, low, high = (100.0 * min(max(arm[measure][end], bounds[0]), bounds[1]) for end in ENDS)
                cost = arm["training_cost"] * ASIDE ** (number - len(facts["arms"]) / 2)
                axes.errorbar(
                    [cost],
                    [value],
                    yerr=[[value - low], [high - value]],
                    fmt="o",
                    color=colour,
                    markersize=4,
                    linewidth=0.8,
                    label=f"{number}: {name}",
                )
                axes.annotate(str(number), (cost, value), (3, 3), textcoords="offset points", fontsize=8)
            axes.set_xscale("log", base=2, subs=[])
            axes.xaxis.set_major_formatter("{x:g}")
            axes.set(title=data, xlabel="processor time of training; 16 members at all steps: 1", ylabel=label)
    figure.legend(*grid[0][0].get_legend_handles_labels(), loc="outside right center", fontsize=8)
    save(figure, path)
