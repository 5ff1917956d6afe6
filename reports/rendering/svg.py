"""Plots as inline SVG in the page's colours, so one plot serves light, dark and print.

Matplotlib draws with stand-in colours; the page's CSS variables replace them. Ids are unique per
plot, text stays text, and nothing depends on the time: the same facts give the same bytes.
"""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from reports.rendering import wording

INK, MUTED, QUIET, ACCENT, LINE = "#0a0101", "#0a0202", "#0a0303", "#0a0404", "#0a0505"
_VARIABLES = {INK: "--ink", MUTED: "--muted", QUIET: "--quiet", ACCENT: "--accent", LINE: "--line"}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 8.5,
    "text.color": MUTED,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.linewidth": 0.8,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "xtick.color": LINE,
    "xtick.labelcolor": MUTED,
    "xtick.major.size": 3,
    "ytick.color": LINE,
    "ytick.labelcolor": MUTED,
    "ytick.major.size": 0,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}
_LIGHT = "--ink: #1b1d22; --muted: #5b6069; --quiet: #c3c8d0; --accent: #b3362b; --line: #d9dce1"


def short(text: str, limit: int = 32) -> str:
    """A name shortened for a plot."""
    # Matplotlib reads dollar signs as mathematics.
    return wording.plain(text, limit).replace("$", r"\$")


def standalone(svg: str) -> str:
    """A plot as a file: with its namespace, and its own colours in place of a page's."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" style="background: #fff; {_LIGHT}" '
    return svg.replace("<svg ", head, 1) + "\n"


class Drawing:
    """Axes to draw on, and the SVG once the block of :func:`drawing` ends."""

    def __init__(self, axes: Axes) -> None:
        self.axes = axes
        self.svg = ""


@contextmanager
def drawing(
    name: str, width: float, height: float, title: str, left: float = 0.08, *, kept: bool = False
) -> Iterator[Drawing]:
    """An empty figure in inches, ``left`` of it for the y axis; the end of the block fills ``svg``.

    ``kept``: reuse the axes of this name, for a plot that every report has and that sets its own
    limits. Making axes takes as long as drawing on them.
    """
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure, axes = _kept_figure(name, width, height, left) if kept else _figure(width, height, left)
        drawn = Drawing(axes)
        try:
            yield drawn
            buffer = io.StringIO()
            with warnings.catch_warnings():
                # The reader's browser draws the text, with fonts that have more characters.
                warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
                figure.savefig(
                    buffer,
                    format="svg",
                    transparent=True,
                    metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
                )
            drawn.svg = _inline(buffer.getvalue(), name, title)
        finally:
            for artist in (*axes.collections, *axes.lines, *axes.patches, *axes.texts):
                artist.remove()


def _figure(width: float, height: float, left: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height))
    # Fixed margins in inches: a layout engine would take most of the time of a page.
    figure.subplots_adjust(left=left / width, right=1 - 0.08 / width, bottom=0.48 / height, top=1 - 0.06 / height)
    FigureCanvasSVG(figure)
    return figure, figure.add_subplot()


@lru_cache(maxsize=16)
def _kept_figure(_name: str, width: float, height: float, left: float) -> tuple[Figure, Axes]:
    return _figure(width, height, left)


def _inline(svg: str, name: str, title: str) -> str:
    """Matplotlib's file for a page: no prolog, size or own style; the page's ids and colours."""
    body = svg[svg.index("<svg") :].strip()
    body = re.sub(r"<(metadata|style)\b.*?</\1>", "", body, flags=re.DOTALL)
    box = re.search(r'viewBox="[^"]*"', body)
    label = html.escape(title)
    head = (
        f'<svg {box.group() if box else ""} xmlns:xlink="http://www.w3.org/1999/xlink" role="img" aria-label="{label}">'
    )
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    # Within tags only: equal words in text stay.
    body = re.sub(r"<[^>]*>", lambda tag: _of_the_page(tag.group(), name), body)
    body = re.sub(r"^<svg\b[^>]*>", lambda _: head, body)
    return re.sub(r"\n\s*", "\n", body)


def _of_the_page(tag: str, name: str) -> str:
    tag = re.sub(r'<g id="[^"]*"', "<g", tag)
    tag = re.sub(r'\b(id="|xlink:href="#|url\(#)', rf"\g<1>{name}-", tag)
    for colour, variable in _VARIABLES.items():
        tag = tag.replace(colour, f"var({variable})")
    return tag
