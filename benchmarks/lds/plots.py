"""Plots of the comparison of rankers, as small SVG files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

KINDS = (("generated", "generated images", "#1f77b4"), ("held_out", "held-out images", "#ff7f0e"))


def plot_lds(results: dict[str, Any], path: Path) -> None:
    """LDS of creditline's rankers and of the peers, with the wider of the two intervals."""
    chosen = [name for name in results["lds"] if "/" not in name] + list(results["peers"].values())
    names = sorted(set(chosen), key=lambda name: float(results["lds"][name]["held_out"]["lds"]))
    figure = Figure(figsize=(7, 0.6 + 0.34 * len(names)), layout="constrained")
    axes = figure.subplots()
    for offset, (kind, label, colour) in zip((-0.15, 0.15), KINDS, strict=True):
        grades = [results["lds"][name][kind] for name in names]
        values = [grade["lds"] for grade in grades]
        low = [grade["lds"] - min(grade["over_queries"][0], grade["over_subsets"][0], grade["lds"]) for grade in grades]
        high = [
            max(grade["over_queries"][1], grade["over_subsets"][1], grade["lds"]) - grade["lds"] for grade in grades
        ]
        places = [place + offset for place in range(len(names))]
        axes.errorbar(values, places, xerr=[low, high], fmt="o", color=colour, markersize=4, linewidth=1, label=label)
        if kind in results["ceiling"]:
            axes.axvline(results["ceiling"][kind]["seed_against_seed"], color=colour, linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xlabel("LDS (hundredths); dotted: seed against seed")
    axes.legend(fontsize=8, loc="lower right")
    save(figure, path)


def plot_member_lds(results: dict[str, Any], path: Path) -> None:
    """Member-LDS against LDS, one panel per data set."""
    figure = Figure(figsize=(4 * max(1, len(results)), 3.6), layout="constrained")
    panels = figure.subplots(1, max(1, len(results)), squeeze=False)[0]
    for axes, (data, facts) in zip(panels, results.items(), strict=False):
        for kind, label, colour in KINDS:
            table = facts[kind]["table"].values()
            axes.scatter(
                [row["lds"] for row in table], [row["member_lds"] for row in table], s=12, color=colour, label=label
            )
        axes.set(title=data, xlabel="LDS on retrained models", ylabel="member-LDS")
        axes.legend(fontsize=8)
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Save without a date, so that equal results give equal files."""
    with mpl.rc_context({"svg.hashsalt": "creditline", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})
