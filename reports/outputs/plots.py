"""The plots of an output's report and of the index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reports.facts import NotMeasured
from reports.outputs.facts import Candidate, Landscape, LandscapeKind
from reports.outputs.illustrations import Report, Vector
from reports.rendering.plots import WIDTH, named_line
from reports.rendering.svg import ACCENT, INK, LINE, MUTED, QUIET, Axis, Drawing, decade_ticks, round_ticks

BINS = 60
MAX_POINTS = 400
"""Points of a curve at most: a page is no wider."""
ROW = 36.0
"""Height of a candidate's row, in points."""
HEIGHT = 158.0
"""Of the other plots, in points."""


def tests_plot(candidates: Sequence[Candidate], decoys_of: Mapping[int, Vector | NotMeasured]) -> str | None:
    """Each candidate's pull and its decoys', a row each, in standard deviations of its decoys.

    Decoys are the grey hills, in the accent colour at or beyond the candidate; 5 % of them lie
    beyond the short line. ``decoys_of``: by rank. None if no candidate has decoys to show.
    """
    found = [(candidate, decoys_of[candidate.rank]) for candidate in candidates]
    rows = [(candidate, decoys) for candidate, decoys in found if not isinstance(decoys, NotMeasured)]
    if not rows:
        return None
    hills: list[Vector] = []
    beyond: list[Vector] = []
    limits, pulls = [], []
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
    ends = np.concatenate([corners[:, 0] for corners in (*hills, *beyond)])
    low, high = float(ends.min()) - 0.1, float(ends.max()) + 0.1
    label = "pull towards it, in standard deviations of its decoys"
    drawn = Drawing(
        WIDTH, 44.0 + ROW * len(rows), Axis(low, high, label, round_ticks(low, high, 8)), Axis(0.0, len(rows))
    )
    drawn.areas(hills, QUIET)
    drawn.areas(beyond, ACCENT)
    drawn.lines(limits, MUTED, 0.9, "2 2")
    drawn.lines(pulls, ACCENT, 1.4)
    for place, (candidate, _) in enumerate(reversed(rows)):
        drawn.dots(pulls[place][1:], ACCENT, 2.5, filled=candidate.passes)
        drawn.row_name(place + 0.64, f"{candidate.rank}  {candidate.label}")
    return drawn.svg(f"Pulls of {len(rows)} candidates and of their decoys")


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
    top = 1.45 * (max(float(values.max()), landscape.radius) or 1.0)
    end = len(values) + 0.6
    drawn = Drawing(
        WIDTH,
        HEIGHT,
        Axis(0.4, end, "units, from most to least influential", round_ticks(0.4, end, 8, whole=True)),
        Axis(0.0, top, "LPIPS" if lpips else "influence", round_ticks(0.0, top, 4)),
        left=43.0,
    )
    if not isinstance(decoys, NotMeasured):
        low, limit = (float(each) for each in np.quantile(decoys, [0.05, 0.95]))
        drawn.areas([[(0.4, low), (end, low), (end, limit), (0.4, limit)]], LINE, 0.45)
    if len(values) <= MAX_POINTS:
        drawn.lines(
            [[(place, 0.0), (place, value)] for place, value in enumerate(values.tolist(), 1)],
            QUIET,
            min(4.0, 220 / len(values)),
        )
    else:
        places = np.unique(np.linspace(0, len(values) - 1, MAX_POINTS).astype(int))
        curve = np.column_stack([places + 1, values[places]])
        drawn.areas([np.vstack([[1.0, 0.0], curve, [float(len(values)), 0.0]])], QUIET)
    drawn.line([(0.4, landscape.radius), (end, landscape.radius)], MUTED, 0.8, "3 3")
    named_line(drawn, (end, landscape.radius), "radius")
    if not isinstance(decoys, NotMeasured):
        named_line(drawn, (end, limit), "95 % of decoys")
    place_of = {int(unit): place for place, unit in enumerate(order)}
    marked = sorted((place_of[unit], unit) for unit in ranks if unit in place_of)
    heads = [(place + 1, float(values[place])) for place, _ in marked]
    drawn.lines([[(x, 0.0), (x, y)] for x, y in heads], ACCENT, 1.6)
    drawn.dots(heads, ACCENT, 2.0)
    level, last = 0, -np.inf
    for (place, unit), head in zip(marked, heads, strict=True):
        # Labels that would touch are raised by one line each.
        level = level + 1 if place - last < len(values) * 0.022 else 0
        last = place
        drawn.text(head, str(ranks[unit]), INK, "middle", up=4.0 + 9.0 * level)
    unit_count = f"Influence of all {len(values)} units, by {landscape.method}"
    return drawn.svg(unit_count + (", as LPIPS" if lpips else ""))


def certainty_plot(smallest: Sequence[float], rate: float) -> str | None:
    """Certainty of the tests: the smallest q of every output, sorted, and the deciding rate."""
    if not smallest:
        return None
    values = np.maximum(np.sort(np.asarray(smallest)), 1e-6)
    low, end = float(values.min()) / 1.6, len(values) + 0.6
    drawn = Drawing(
        WIDTH,
        HEIGHT,
        Axis(0.4, end, "outputs, from surest to least sure", round_ticks(0.4, end, 8, whole=True)),
        Axis(low, 1.3, "smallest q", decade_ticks(low, 1.3), logarithmic=True),
        left=54.0,
    )
    if rate > 0.0:
        drawn.line([(0.4, rate), (end, rate)], MUTED, 0.9, "3 3")
        named_line(drawn, (end, rate), f"{rate:g}")
    points = np.column_stack([np.arange(1, len(values) + 1), values])
    passing = values <= rate
    radius = 2.35 if len(values) <= 100 else 1.25
    drawn.dots(points[passing], ACCENT, radius)
    drawn.dots(points[~passing], ACCENT, radius, filled=False)
    return drawn.svg(f"Smallest q of {len(values)} outputs")
