"""The page of a portfolio: one offline file for licensing reviewers."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from reports.facts import NotMeasured
from reports.portfolios import words
from reports.portfolios.facts import PortfolioFacts
from reports.rendering.svg import ACCENT, INK, MUTED, QUIET, Axis, Drawing, round_ticks, steps
from reports.rendering.wording import count

MOST_ROWS = 200
MOST_UNCOVERED = 20


def page_values(facts: PortfolioFacts) -> Mapping[str, object]:
    """Template values beside the facts."""
    return {
        "plot": Markup(curve_plot(facts)) if len(facts.curve) > 1 else None,  # noqa: S704  # drawn here
        "robust": "" if isinstance(facts.robust, NotMeasured) else words.robust_sentence(facts.robust),
        "rows": facts.chosen[:MOST_ROWS],
        "uncovered": facts.uncovered[:MOST_UNCOVERED],
    }


def curve_plot(facts: PortfolioFacts) -> str:
    """Coverage against the budget: steps of the greedy choice, and the choice as a point."""
    outputs = facts.outputs
    covered = outputs.covered / max(outputs.can_be_covered, 1)
    highest = (max(point.cost for point in facts.curve) or 1.0) * 1.03
    label = "sum of prices" if facts.priced else "licences"
    drawn = Drawing(
        446.0,
        194.0,
        Axis(0.0, highest, label, round_ticks(0.0, highest, 6, whole=not facts.priced)),
        Axis(0.0, 1.04, ticks=[(share / 4, f"{25 * share} %") for share in range(5)]),
        left=40.0,
    )
    drawn.line([(0.0, facts.request.share), (highest, facts.request.share)], QUIET, 0.9, "2 2")
    expected = [(point.cost, point.expected) for point in facts.curve if point.expected is not None]
    if expected:
        drawn.line(expected, MUTED, 1.0, "4 2")
    drawn.line(steps([(point.cost, point.share) for point in facts.curve]), ACCENT, 1.6)
    drawn.dots([(facts.cost, covered)], INK, 3.0)
    return drawn.svg(f"Coverage against budget in {count(facts.curve_total, 'point')}")
