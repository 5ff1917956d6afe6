"""Plots as inline SVG in the page's colours, so one plot serves light, dark and print.

A drawing has two axes, and marks in their coordinates. Colours are the page's CSS variables, text
stays text, no element has an id, and the same facts give the same bytes.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reports.rendering import wording

INK, MUTED, QUIET, ACCENT, LINE = (f"var(--{name})" for name in ("ink", "muted", "quiet", "accent", "line"))
_LIGHT = "--ink: #1b1d22; --muted: #5b6069; --quiet: #c3c8d0; --accent: #b3362b; --line: #d9dce1"
TEXT = 8.5
"""Size of text, in points."""
_TICK = 3.0
_AXIS_NAME = 11.0
"""Place of the vertical axis’s name: a phone enlarges the text of plots."""
Vector = NDArray[np.float64]


def short(text: str, limit: int = 32) -> str:
    """A name shortened for a plot."""
    return wording.plain(text, limit)


def standalone(svg: str) -> str:
    """A plot as a file: with its namespace, and its own colours in place of a page's."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" style="background: #fff; {_LIGHT}" '
    return svg.replace("<svg ", head, 1) + "\n"


@dataclass(frozen=True)
class Axis:
    """The range of a drawing in one direction, with what is written along it."""

    low: float
    high: float
    label: str = ""
    ticks: Sequence[tuple[float, str]] = ()
    """Values and their texts."""
    logarithmic: bool = False
    line: bool = True
    """Whether the horizontal axis has a line; the vertical one never has."""

    def share(self, values: ArrayLike) -> Vector:
        """Places from 0 at ``low`` to 1 at ``high``."""
        places, low, high = np.asarray(values, float), self.low, self.high
        if self.logarithmic:
            places, low, high = np.log10(places), math.log10(low), math.log10(high)
        return (places - low) / ((high - low) or 1.0)


def round_ticks(low: float, high: float, most: int, *, whole: bool = False) -> list[tuple[float, str]]:
    """Round numbers from ``low`` to ``high``, at most ``most`` steps; ``whole``: no fractions."""
    if not (math.isfinite(low) and math.isfinite(high) and high > low):
        return []
    unit = 10.0 ** math.floor(math.log10((high - low) / most))
    for factor in (1.0, 2.0, 5.0, 10.0, 20.0):
        step = max(unit * factor, 1.0) if whole else unit * factor
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first <= most:
            break
    return [(place * step, wording.number(place * step, 6)) for place in range(first, last + 1)]


def decade_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """The powers of ten from ``low`` to ``high``; both are positive."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    return [(10.0**power, f"{10.0**power:g}") for power in range(first, last + 1)]


class Drawing:
    """A plot of ``width`` by ``height`` points; later marks stand over earlier ones.

    ``left`` and ``bottom``: margins for what is written along the axes.
    """

    def __init__(
        self, width: float, height: float, x: Axis, y: Axis, *, left: float = 6.0, bottom: float = 35.0
    ) -> None:
        self.width, self.height = width, height
        self._x, self._y = x, y
        self._box = (left, 5.0, width - 6.0, height - bottom)
        """Left, top, right and bottom of the marks."""
        self._marks: list[str] = []
        self._axes()

    def place(self, points: ArrayLike) -> Vector:
        """Points in the axes' values, (points, 2), as points of the drawing."""
        values = np.asarray(points, float).reshape(-1, 2)
        left, top, right, bottom = self._box
        x, y = self._x.share(values[:, 0]), self._y.share(values[:, 1])
        return np.column_stack([left + x * (right - left), bottom - y * (bottom - top)])

    def line(self, points: ArrayLike, colour: str, width: float, dash: str = "") -> None:
        """A line through ``points``; ``dash``: lengths of dashes and gaps, in points."""
        self.lines([points], colour, width, dash)

    def lines(self, each: Iterable[ArrayLike], colour: str, width: float, dash: str = "") -> None:
        """Lines that are apart, in one mark."""
        drawn = "".join(f"M{_corners(self.place(points))}" for points in each)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self._marks.append(
            f'<path d="{drawn}" style="fill:none;stroke:{colour}" stroke-width="{width:g}"{dashed} stroke-linejoin="round"/>'
        )

    def areas(self, each: Iterable[ArrayLike], colour: str, opacity: float = 1.0) -> None:
        """Polygons, in one mark."""
        drawn = "".join(f"M{_corners(self.place(points))}z" for points in each)
        shade = "" if opacity == 1.0 else f' fill-opacity="{opacity:g}"'
        self._marks.append(f'<path d="{drawn}" style="fill:{colour}"{shade}/>')

    def dots(self, points: ArrayLike, colour: str, radius: float, *, filled: bool = True) -> None:
        """Filled circles, or rings."""
        style = f"fill:{colour}" if filled else f"fill:none;stroke:{colour}"
        self._marks += [
            f'<circle cx="{_short(x)}" cy="{_short(y)}" r="{radius:g}" style="{style}"/>'
            for x, y in self.place(points).tolist()
        ]

    def text(
        self, at: tuple[float, float], text: str, colour: str, anchor: str, *, up: float = 0.0, right: float = 0.0
    ) -> None:
        """Text at a point, moved by some points; ``anchor``: start, middle or end."""
        ((x, y),) = self.place([at]).tolist()
        self._text(x + right, y - up, text, colour, anchor)

    def row_name(self, y: float, text: str) -> None:
        """A row's name at the left edge of the marks: a phone has no room beside them."""
        ((_, down),) = self.place([(self._x.low, y)]).tolist()
        self._text(self._box[0], down, short(text, 44), INK, "start")

    def svg(self, title: str) -> str:
        """The drawing; ``title``: for who cannot see it."""
        head = (
            f'<svg viewBox="0 0 {self.width:g} {self.height:g}" role="img" aria-label="{html.escape(title)}" '
            f'font-family="sans-serif" font-size="{TEXT:g}">'
        )
        return "\n".join([head, *self._marks, "</svg>"])

    def _text(self, x: float, y: float, text: str, colour: str, anchor: str, turn: str = "") -> None:
        self._marks.append(
            f'<text x="{_short(x)}" y="{_short(y)}" text-anchor="{anchor}" style="fill:{colour}"{turn}>'
            f"{html.escape(text, quote=False)}</text>"
        )

    def _axes(self) -> None:
        left, top, right, bottom = self._box
        marks = [f"M{_short(left)} {_short(bottom)}H{_short(right)}"] if self._x.line else []
        for x, name in zip(self._x.share([value for value, _ in self._x.ticks]).tolist(), self._x.ticks, strict=True):
            at = left + x * (right - left)
            marks.append(f"M{_short(at)} {_short(bottom)}v{_TICK:g}")
            self._text(at, bottom + _TICK + TEXT + 1.0, name[1], MUTED, "middle")
        if marks:
            self._marks.append(f'<path d="{"".join(marks)}" style="fill:none;stroke:{LINE}" stroke-width="0.8"/>')
        for y, name in zip(self._y.share([value for value, _ in self._y.ticks]).tolist(), self._y.ticks, strict=True):
            self._text(left - 4.0, bottom - y * (bottom - top) + TEXT * 0.35, name[1], MUTED, "end")
        if self._x.label:
            self._text((left + right) / 2, self.height - 5.0, self._x.label, MUTED, "middle")
        if self._y.label:
            middle = (top + bottom) / 2
            turn = f' transform="rotate(-90 {_AXIS_NAME:g} {_short(middle)})"'
            self._text(_AXIS_NAME, middle, self._y.label, MUTED, "middle", turn)


def steps(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The corners of a curve that keeps each value until the next place."""
    corners = list(points[:1])
    for (_, before), (x, y) in pairwise(points):
        corners += [(x, before), (x, y)]
    return corners


def _corners(points: Vector) -> str:
    return "L".join([f"{x:.1f} {y:.1f}" for x, y in points.tolist()])


def _short(value: float) -> str:
    return f"{value:.1f}"
