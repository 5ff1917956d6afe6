"""Plots of several pages: bars that compare counts, and estimates with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.rendering.svg import ACCENT, INK, LINE, MUTED, QUIET, TEXT, Axis, Drawing, round_ticks, short

WIDTH = 346.0
"""Width in points: text as large as the page's on a screen, and still legible on a phone."""
BAR_ROW = 27.0
"""Height of a row of an interval, in points."""


@dataclass(frozen=True)
class Bar:
    """A named number; a part of it may stand out."""

    name: str
    total: int
    part: int = 0
    """Drawn in the accent colour; at most ``total``."""


def bars_plot(bars: Sequence[Bar], title: str, *, left: float) -> str:
    """Horizontal bars, each with its number at its end, after its part if it has one.

    ``left``: points for the names.
    """
    longest = max((bar.total for bar in bars), default=0) or 1
    rows = range(len(bars) - 1, -1, -1)
    names = [(float(row), short(bar.name, 40)) for row, bar in zip(rows, bars, strict=True)]
    height = max(52.0, 9.0 + 21.6 * len(bars))
    drawn = Drawing(
        446.0,
        height,
        Axis(0.0, longest * 1.2, line=False),
        Axis(-0.6, len(bars) - 0.4, ticks=names),
        left=left,
        bottom=4.3,
    )
    drawn.areas([_bar(row, bar.total) for row, bar in zip(rows, bars, strict=True)], QUIET)
    drawn.areas([_bar(row, min(bar.part, bar.total)) for row, bar in zip(rows, bars, strict=True)], ACCENT)
    for row, bar in zip(rows, bars, strict=True):
        label = f"{bar.part:,} of {bar.total:,}" if 0 < bar.part < bar.total else f"{bar.total:,}"
        drawn.text((bar.total, row), label, INK, "start", up=-0.35 * TEXT, right=4.0)
    return drawn.svg(title)


def _bar(row: int, length: float) -> list[tuple[float, float]]:
    return [(0.0, row - 0.29), (length, row - 0.29), (length, row + 0.29), (0.0, row + 0.29)]


@dataclass(frozen=True)
class Estimate:
    """A named number with its interval."""

    name: str
    value: float
    low: float
    high: float


def estimates_plot(estimates: Sequence[Estimate], label: str) -> str:
    """Numbers with their intervals, one under the other, beside the line of zero."""
    rows = range(len(estimates) - 1, -1, -1)
    ends = [0.0, *(end for each in estimates for end in (each.low, each.value, each.high))]
    margin = 0.05 * ((max(ends) - min(ends)) or 1.0)
    low, high = min(ends) - margin, max(ends) + margin
    drawn = Drawing(
        WIDTH,
        44.0 + BAR_ROW * len(estimates),
        Axis(low, high, label, round_ticks(low, high, 6)),
        Axis(-0.4, len(estimates) - 0.25),
    )
    drawn.line([(0.0, -0.4), (0.0, len(estimates) - 0.25)], LINE, 0.8)
    placed = list(zip(rows, estimates, strict=True))
    drawn.lines([[(each.low, row), (each.high, row)] for row, each in placed], QUIET, 3.0)
    drawn.dots([(each.value, row) for row, each in placed], ACCENT, 2.3)
    for row, each in placed:
        drawn.row_name(row + 0.24, each.name)
    return drawn.svg(f"{label} of {len(estimates)}, with intervals")


def named_line(drawn: Drawing, end: tuple[float, float], name: str) -> None:
    """The name of a horizontal line, just above its right ``end``."""
    drawn.text(end, name, MUTED, "end", up=3.0)
