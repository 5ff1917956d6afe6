"""The page of a portfolio: one offline file for licensing reviewers."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from reports.facts import NotMeasured
from reports.portfolios import words
from reports.portfolios.facts import PortfolioFacts
from reports.rendering.svg import ACCENT, INK, MUTED, QUIET, drawing
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
    share = outputs.covered / max(outputs.can_be_covered, 1)
    title = f"Coverage against budget in {count(facts.curve_total, 'point')}"
    with drawing("coverage", 6.2, 2.7, title, left=0.55) as drawn:
        axes = drawn.axes
        costs = [point.cost for point in facts.curve]
        axes.axhline(facts.request.share, color=QUIET, linewidth=0.9, linestyle=(0, (2, 2)))
        expected = [(point.cost, point.expected) for point in facts.curve if point.expected is not None]
        if expected:
            axes.plot(*zip(*expected, strict=True), color=MUTED, linewidth=1.0, linestyle=(0, (4, 2)))
        axes.step(costs, [point.share for point in facts.curve], where="post", color=ACCENT, linewidth=1.6)
        axes.plot(
            [facts.cost], [share], marker="o", markersize=6, color=INK, markeredgewidth=0, clip_on=False, zorder=3
        )
        axes.set_ylim(0, 1.04)
        axes.set_xlim(0, (max(costs) or 1.0) * 1.03)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1.0], ["0 %", "25 %", "50 %", "75 %", "100 %"])
        axes.locator_params(axis="x", nbins=6)
        axes.set_xlabel("sum of prices" if facts.priced else "licences")
    return drawn.svg
