"""The plots of an output's report and of the index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.ticker import FuncFormatter, NullFormatter

from reports.facts import NotMeasured
from reports.outputs.facts import Candidate, Landscape, LandscapeKind
from reports.outputs.illustrations import Report, Vector
from reports.rendering.plots import WIDTH, row_name
from reports.rendering.svg import ACCENT, INK, LINE, MUTED, QUIET, drawing

BINS = 60
MAX_POINTS = 400
"""Points of a curve at most: a page is no wider."""
ROW = 0.5
"""Height of a candidate's row, in inches."""


def tests_plot(candidates: Sequence[Candidate], decoys_of: Mapping[int, Vector | NotMeasured]) -> str | None:
    """Each candidate's pull and its decoys', a row each, in standard deviations of its decoys.

    Decoys are the grey hills, in the accent colour at or beyond the candidate; 5 % of them lie
    beyond the short line. ``decoys_of``: by rank. None if no candidate has decoys to show.
    """
    found = [(candidate, decoys_of[candidate.rank]) for candidate in candidates]
    rows = [(candidate, decoys) for candidate, decoys in found if not isinstance(decoys, NotMeasured)]
    if not rows:
        return None
    height = 0.62 + ROW * len(rows)
    title = f"Pulls of {len(rows)} candidates and of their decoys"
    with drawing("tests", WIDTH, height, title, kept=True) as drawn:
        axes = drawn.axes
        hills: list[Vector] = []
        beyond: list[Vector] = []
        limits, pulls = [], []
        # One collection per kind of mark: single marks would take most of a report's time.
        for place, (candidate, decoys) in enumerate(reversed(rows)):
            spread = float(decoys.std()) or 1.0
            centre = float(decoys.mean())
            own = (candidate.statistic - centre) / spread
            values = (decoys - centre) / spread
            low, high = min(float(values.min()), own), max(float(values.max()), own)
            width = (high - low) / BINS or 0.1
            # One bin edge lies on the candidate: the bars beyond are exactly the decoys against it.
            edges = own + width * np.arange(-np.ceil((own - low) / width) - 1, np.ceil((high - own) / width) + 2)
            counts, _ = np.histogram(values, edges)
            heights = place + 0.56 * counts / (counts.max() or 1.0)
            split = int(np.searchsorted(edges, own - width / 2))
            hills.append(_steps(edges[: split + 1], heights[:split], place))
            beyond.append(_steps(edges[split:], heights[split:], place))
            limit = float(np.quantile(values, 0.95))
            limits.append([(limit, place), (limit, place + 0.5)])
            pulls.append([(own, place), (own, place + 0.5)])
            row_name(axes, place + 0.64, f"{candidate.rank}  {candidate.label}")
        axes.add_collection(PolyCollection(hills, facecolors=QUIET, linewidths=0), autolim=False)
        axes.add_collection(PolyCollection(beyond, facecolors=ACCENT, linewidths=0), autolim=False)
        axes.add_collection(LineCollection(limits, colors=MUTED, linewidths=0.9, linestyles=(0, (2, 2))), autolim=False)
        axes.add_collection(LineCollection(pulls, colors=ACCENT, linewidths=1.4), autolim=False)
        axes.scatter(
            [line[1][0] for line in pulls],
            [line[1][1] for line in pulls],
            s=25,
            facecolors=[ACCENT if candidate.passes else "none" for candidate, _ in reversed(rows)],
            edgecolors=ACCENT,
            linewidths=1.0,
            clip_on=False,
            zorder=3,
        )
        ends = np.concatenate([corners[:, 0] for corners in (*hills, *beyond)])
        axes.set_xlim(float(ends.min()) - 0.1, float(ends.max()) + 0.1)
        axes.set_yticks([])
        axes.set_ylim(0, len(rows))
        axes.locator_params(axis="x", nbins=8)
        axes.set_xlabel("pull of the output towards it, in standard deviations of its decoys")
    return drawn.svg


def _steps(edges: Vector, heights: Vector, baseline: float) -> Vector:
    """The outline of a histogram's bars, as corners of one polygon."""
    tops = np.column_stack([np.repeat(edges, 2)[1:-1], np.repeat(heights, 2)])
    return np.vstack([[edges[0], baseline], tops, [edges[-1], baseline]])


def influence_plot_of(report: Report, kind: LandscapeKind) -> str | NotMeasured:
    """The influences of one kind, or why they cannot be drawn."""
    landscape, influences = report.facts.landscapes[kind], report.shown.influences[kind]
    if isinstance(landscape, NotMeasured):
        return landscape
    if isinstance(influences, NotMeasured):
        return influences
    decoys = report.shown.decoy_influences if kind == "estimate" else NotMeasured("only of the Euclidean estimate")
    if kind.startswith("estimate"):
        influences = _with_exact(influences, report.facts.candidates, lpips=kind.endswith("lpips"))
    ranks = {candidate.unit_number: candidate.rank for candidate in report.facts.candidates}
    return influence_plot(landscape, influences, decoys, ranks, lpips=kind.endswith("lpips"))


def _with_exact(influences: Vector, candidates: Sequence[Candidate], *, lpips: bool) -> Vector:
    """Estimates, with the exact value in its place for each candidate that has one."""
    known = influences.copy()
    for candidate in candidates:
        exact = candidate.influence_exact_lpips if lpips else candidate.influence_exact
        if not isinstance(exact, NotMeasured):
            known[candidate.unit_number] = exact
    return known


def influence_plot(
    landscape: Landscape,
    influences: Vector,
    decoys: Vector | NotMeasured,
    ranks: Mapping[int, int],
    *,
    lpips: bool = False,
) -> str:
    """All units by influence, with radius and candidates; ``ranks``: unit number -> rank."""
    measured = np.flatnonzero(np.isfinite(influences))
    order = measured[np.argsort(-influences[measured], kind="stable")]
    values = influences[order]
    places = (
        np.unique(np.linspace(0, len(values) - 1, MAX_POINTS).astype(int))
        if len(values) > MAX_POINTS
        else np.arange(len(values))
    )
    with drawing(
        f"influence-{landscape.method}" + ("-lpips" if lpips else ""),
        WIDTH,
        2.2,
        f"Influence of all {len(values)} units, by {landscape.method}" + (", as LPIPS" if lpips else ""),
        left=0.6,
        kept=True,
    ) as drawn:
        axes = drawn.axes
        if len(places) == len(values):
            axes.vlines(places + 1, 0, values, color=QUIET, linewidth=min(4.0, 220 / len(values)))
        else:
            axes.fill_between(places + 1, 0, values[places], color=QUIET, linewidth=0)
        axes.axhline(landscape.radius, color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
        _label(axes, len(values) + 0.5, landscape.radius, "radius")
        if not isinstance(decoys, NotMeasured):
            low, limit = np.quantile(decoys, [0.05, 0.95])
            axes.axhspan(float(low), float(limit), color=LINE, alpha=0.45, linewidth=0, zorder=0)
            _label(axes, len(values) + 0.5, float(limit), "95 % of decoys")
        top = max(float(values.max()), landscape.radius) or 1.0
        place_of = {int(unit): place for place, unit in enumerate(order)}
        level, last = 0, -np.inf
        marked = sorted((place_of[unit], unit) for unit in ranks if unit in place_of)
        heads = [(place + 1, float(values[place])) for place, _ in marked]
        axes.add_collection(LineCollection([[(x, 0), (x, y)] for x, y in heads], colors=ACCENT, linewidths=1.6))
        axes.scatter([x for x, _ in heads], [y for _, y in heads], s=16, color=ACCENT, linewidths=0, zorder=3)
        for place, unit in marked:
            # Labels that would touch are raised by one line each.
            level = level + 1 if place - last < len(values) * 0.022 else 0
            last = place
            axes.annotate(
                str(ranks[unit]),
                (place + 1, values[place]),
                xytext=(0, 4 + 9 * level),
                textcoords="offset points",
                color=INK,
                ha="center",
            )
        axes.set_xlim(0.4, len(values) + 0.6)
        axes.set_ylim(0, top * 1.45)
        axes.locator_params(axis="y", nbins=4)
        axes.locator_params(axis="x", nbins=8, integer=True)
        axes.set_xlabel("units, from most to least influential")
        axes.set_ylabel("LPIPS" if lpips else "influence")
    return drawn.svg


def certainty_plot(smallest: Sequence[float], rate: float) -> str | None:
    """Certainty of the tests: the smallest q of every output, sorted, and the deciding rate."""
    if not smallest:
        return None
    values = np.maximum(np.sort(np.asarray(smallest)), 1e-6)
    with drawing("certainty", WIDTH, 2.2, f"Smallest q of {len(values)} outputs", left=0.75) as drawn:
        axes = drawn.axes
        places = np.arange(1, len(values) + 1)
        axes.axhline(rate, color=MUTED, linewidth=0.9, linestyle=(0, (3, 3)))
        _label(axes, len(values) + 0.5, rate, f"{rate:g}")
        passing = values <= rate
        size = 22.0 if len(values) <= 100 else 6.0
        axes.scatter(places[passing], values[passing], s=size, color=ACCENT, linewidths=0)
        axes.scatter(places[~passing], values[~passing], s=size, facecolors="none", edgecolors=ACCENT, linewidths=0.9)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(float(values.min()) / 1.6, 1.3)
        axes.set_xlim(0.4, len(values) + 0.6)
        axes.locator_params(axis="x", nbins=8, integer=True)
        axes.set_xlabel("outputs, from surest to least sure")
        axes.set_ylabel("smallest q")
    return drawn.svg


def _label(axes: Axes, x: float, y: float, text: str) -> None:
    """The name of a horizontal line, just above its right end."""
    axes.annotate(text, (x, y), xytext=(0, 3), textcoords="offset points", color=MUTED, ha="right", va="bottom")
