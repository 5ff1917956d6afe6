"""Plots of several pages: bars that compare counts, and estimates with intervals."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from reports.rendering.svg import ACCENT, INK, LINE, MUTED, QUIET, drawing, short
from reports.rendering.wording import plain

WIDTH = 4.8
"""Width in inches: text as large as the page's on a screen, and still legible on a phone."""
BAR_ROW = 0.38
"""Height of a row of one bar or interval, in inches."""


@dataclass(frozen=True)
class Bar:
    """A named number; a part of it may stand out."""

    name: str
    total: int
    part: int = 0
    """Drawn in the accent colour; at most ``total``."""


def bars_plot(name: str, bars: Sequence[Bar], title: str, *, left: float = 2.2, axis: str = "") -> str:
    """Horizontal bars, each with its number at its end, after its part if it has one."""
    # At least the drawing's margins above and below.
    height = max(0.72, (0.6 if axis else 0.12) + 0.3 * len(bars))
    # Matplotlib's font may lack characters of a name; the reader's fonts draw the text.
    with warnings.catch_warnings(), drawing(name, 6.2, height, title, left=left) as drawn:
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        axes = drawn.axes
        if not axis:
            box = axes.get_position()
            axes.set_position((box.x0, 0.06 / height, box.width, box.y1 - 0.06 / height))
        places = np.arange(len(bars))[::-1]
        longest = max((bar.total for bar in bars), default=0) or 1
        for place, bar in zip(places, bars, strict=True):
            axes.barh(place, bar.total, height=0.58, color=QUIET, linewidth=0)
            axes.barh(place, min(bar.part, bar.total), height=0.58, color=ACCENT, linewidth=0)
            label = f"{bar.part:,} of {bar.total:,}" if 0 < bar.part < bar.total else f"{bar.total:,}"
            axes.text(bar.total + longest * 0.015, place, label, color=INK, va="center", ha="left")
        axes.set_yticks(places, [short(plain(bar.name, 40)) for bar in bars])
        axes.set_ylim(-0.6, len(bars) - 0.4)
        axes.set_xlim(0, longest * 1.2)
        axes.spines["bottom"].set_visible(bool(axis))
        if axis:
            axes.locator_params(axis="x", nbins=5, integer=True)
            axes.set_xlabel(axis, color=MUTED)
        else:
            axes.set_xticks([])
    return drawn.svg


@dataclass(frozen=True)
class Estimate:
    """A named number with its interval."""

    name: str
    value: float
    low: float
    high: float


def estimates_plot(name: str, estimates: Sequence[Estimate], label: str) -> str:
    """Numbers with their intervals, one under the other, beside the line of zero."""
    height = 0.62 + BAR_ROW * len(estimates)
    with drawing(name, WIDTH, height, f"{label} of {len(estimates)}, with intervals") as drawn:
        axes = drawn.axes
        places = np.arange(len(estimates))[::-1]
        axes.axvline(0.0, color=LINE, linewidth=0.8)
        for place, each in zip(places, estimates, strict=True):
            axes.plot([each.low, each.high], [place, place], color=QUIET, linewidth=3.0, solid_capstyle="butt")
            axes.plot([each.value], [place], marker="o", markersize=4.5, color=ACCENT, markeredgewidth=0)
            row_name(axes, place + 0.2, each.name)
        axes.set_yticks([])
        axes.set_ylim(-0.4, len(estimates) - 0.25)
        axes.locator_params(axis="x", nbins=6)
        axes.set_xlabel(label)
    return drawn.svg


def row_name(axes: Axes, height: float, text: str) -> None:
    """A row's name at the left edge, above the drawing: a phone has no room beside it."""
    axes.text(0, height, short(text, 44), transform=axes.get_yaxis_transform(), color=INK, ha="left", va="bottom")
