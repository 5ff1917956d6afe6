"""The ROC of *did these models see this very work?* on the page of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from reports.evaluations.sentences import Measured
from reports.rendering import wording
from reports.rendering.svg import ACCENT, LINE, Axis, Drawing, round_ticks, steps

TITLE = "Did these models see this very work?"
QUESTION = (
    "Works that the members trained on are told from works kept out of all members, the probes. How many of the former does "
    "the test find, and how many of the latter does it take for them?"
)
LEVELS = ("0.05", "0.01", "0.001")
CAPTION = (
    "Each point is one threshold: to the right, the share of probes above it; upwards, the share of training works above it. "
    "The line from corner to corner is chance."
)
_SIDE = 259.0
"""Of the plot, in points."""
_NAMED = {"0.05": "5 %", "0.01": "1 %", "0.001": "0.1 %"}


@dataclass(frozen=True)
class Curve:
    """The parts of the section."""

    answer: str
    rows: list[tuple[str, ...]]
    plot: Markup | None


def curve_of(facts: Measured) -> Curve:
    """Answer, rows (name, value, interval, counted) and plot."""
    rows = [_area(facts)]
    found, alarms = facts.part("found"), facts.part("false_alarms")
    rows += [_share(f"works found, with an error of at most {_NAMED[level]}", found, level) for level in LEVELS]
    rows += [_share(f"probes taken for works at {_NAMED[level]}", alarms, level) for level in LEVELS]
    at = found.share("0.05")
    answer = f"Against {facts.number_text('probes')} probes, the area under the curve is "
    answer += f"{facts.estimate_text('area_under_curve')}: 1 is perfect, 0.5 is chance."
    if at is not None:
        answer += f" With an error of at most 5 %, {wording.percent(at[0])} of the works shown were found."
    return Curve(answer, rows, _plot(facts.values.get("curve")))


def _area(facts: Measured) -> tuple[str, ...]:
    three = facts.estimate("area_under_curve")
    between = "" if three is None else f"{wording.number(three[1])} to {wording.number(three[2])}"
    return ("area under the curve", facts.estimate_text("area_under_curve"), between, facts.number_text("works"))


def _share(name: str, facts: Measured, level: str) -> tuple[str, ...]:
    three, part = facts.share(level), facts.part(level)
    if three is None:
        return (name, "not measured", part.reason, "")
    counted = f"{part.number_text('count')} of {part.number_text('total')}"
    return (name, wording.percent(three[0]), f"{wording.percent(three[1])} to {wording.percent(three[2])}", counted)


def _plot(points: object) -> Markup | None:
    """The curve; None: the log has no points that can be drawn."""
    if not isinstance(points, list) or not points:
        return None
    known = [
        (float(point[0]), float(point[1]))
        for point in points
        if isinstance(point, list) and len(point) == 2 and all(type(each) in (int, float) for each in point)
    ]
    if len(known) != len(points) or not all(0.0 <= each <= 1.0 for point in known for each in point):
        return None
    shares = round_ticks(0.0, 1.0, 6)
    drawn = Drawing(
        _SIDE,
        _SIDE,
        Axis(0.0, 1.0, "probes above the threshold", shares),
        Axis(0.0, 1.02, "works above it", shares),
        left=43.0,
    )
    drawn.line([(0.0, 0.0), (1.0, 1.0)], LINE, 0.8)
    drawn.line(steps(known), ACCENT, 1.8)
    return Markup(drawn.svg("ROC curve of works against probes"))  # noqa: S704 - drawn here
