"""Bars that compare numbers of things, as inline SVG in the page's colours."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reports.rendering.svg import ACCENT, INK, MUTED, QUIET, drawing, short
from reports.rendering.wording import plain


@dataclass(frozen=True)
class Bar:
    """A number under a name, of which a part may stand out."""

    name: str
    total: int
    part: int = 0
    """In the accent colour, at most ``total``."""


def bars_plot(name: str, bars: Sequence[Bar], title: str, *, left: float = 2.2, axis: str = "") -> str:
    """Bars one under the other, each with its number at its end (its part before it, where one
    stands out).
    """
    # Never less than the margins that the canvas has above and below.
    height = max(0.72, (0.6 if axis else 0.12) + 0.3 * len(bars))
    # Names may have characters that the library's font lacks; they stay text, and the reader's
    # fonts draw them.
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
