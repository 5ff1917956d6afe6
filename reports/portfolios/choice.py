"""A choice for a request: the problem made from the evidence, solved, and described by its numbers.

Greedy always runs, for the curve; the exact solver runs on small problems, and its answer is taken
where it is cheaper, or where forbidden pairs keep greedy from the wanted coverage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reports.portfolios.bound import lower_bound
from reports.portfolios.cover import Cover, Real, Truth, Whole, built
from reports.portfolios.evidence import LICENSABLE, PERMITTED, Evidence
from reports.portfolios.exact import Exact, exact, small_enough
from reports.portfolios.greedy import Greedy, greedy
from reports.portfolios.request import Request
from reports.portfolios.weights import weights_of


@dataclass(frozen=True, eq=False)
class Choice:
    """What was chosen, and how far it is from the best."""

    cover: Cover
    coverable: Truth
    """(O): outputs with findings that all licences together would cover, or that need none."""
    attributed: Truth
    """(O): outputs with a finding."""
    chosen: Whole
    """Places of the rightsholders, ascending."""
    greedy: Greedy
    exact: Exact | None
    method: Literal["exact", "greedy"]
    reached: bool
    lower_bound: float
    """No choice with the wanted coverage costs less; 0 if the wanted coverage is not reached."""

    @property
    def cost(self) -> float:
        """The sum of the prices."""
        return self.cover.cost(self.chosen.tolist())


def prices_of(evidence: Evidence, request: Request) -> Real:
    """(H): the price of each rightsholder; 1 without a table of prices."""
    if request.prices is None:
        return np.ones(len(evidence.holders))
    # One without a price has no entry in the problem: the figure counts for nothing.
    return np.asarray([request.prices.get(str(each.id), 0.0) for each in evidence.holders], np.float64)


def pairs_of(evidence: Evidence, request: Request) -> list[tuple[int, int]]:
    """The forbidden pairs among the rightsholders with findings, by their places."""
    places = {each.id: place for place, each in enumerate(evidence.holders)}
    return [(places[one], places[other]) for one, other in request.forbidden if one in places and other in places]


def choose(evidence: Evidence, request: Request) -> Choice:
    """The choice of a request."""
    total = len(evidence.ids)
    weights = weights_of(evidence.probability, evidence.outputs, request.hits, request.certainty, total)
    free, open_ = evidence.states == PERMITTED, evidence.states == LICENSABLE
    before = np.bincount(evidence.outputs[free], weights[free], total)
    attributed = np.bincount(evidence.outputs, minlength=total) > 0
    cover = built(
        (evidence.owners[open_], evidence.outputs[open_], weights[open_]),
        prices_of(evidence, request),
        np.clip(1.0 - before, 0.0, 1.0),
        request.share,
        attributed.astype(np.float64),
        pairs_of(evidence, request),
    )
    found = greedy(cover)
    best = exact(cover) if small_enough(cover) else None
    chosen, reached = found.chosen, found.reached
    method: Literal["exact", "greedy"] = "greedy"
    # Of two choices at one price greedy's stands: it has no superfluous licence.
    if best is not None and best.chosen is not None and (not reached or best.cost < cover.cost(chosen) - 1e-9):
        chosen, method, reached = best.chosen, "exact", True
    bound = 0.0
    if reached:
        cost = cover.cost(chosen)
        bound = cost if best is not None and best.proven and best.chosen is not None else lower_bound(cover, cost)
    return Choice(
        cover=cover,
        coverable=cover.counts > 0,
        attributed=attributed,
        chosen=np.asarray(chosen, np.int64),
        greedy=found,
        exact=best,
        method=method,
        reached=reached,
        lower_bound=bound,
    )


def expected_coverage(evidence: Evidence, order: list[int], marks: set[int]) -> dict[int, float]:
    """The mean, over attributed outputs, of the probability that a source is licensed or permitted.

    ``order``: rightsholders in the order of their licences; ``marks``: numbers of licences after
    which the mean is taken.
    """
    total = len(evidence.ids)
    logs = np.log1p(-evidence.probability)
    free, open_ = evidence.states == PERMITTED, np.flatnonzero(evidence.states == LICENSABLE)
    misses = np.bincount(evidence.outputs[free], logs[free], total)
    attributed = max(int((np.bincount(evidence.outputs, minlength=total) > 0).sum()), 1)
    by_owner = open_[np.argsort(evidence.owners[open_], kind="stable")]
    starts = np.searchsorted(evidence.owners[by_owner], np.arange(len(evidence.holders) + 1))
    found = {}
    for number in range(len(order) + 1):
        if number:
            part = by_owner[starts[order[number - 1]] : starts[order[number - 1] + 1]]
            np.add.at(misses, evidence.outputs[part], logs[part])
        if number in marks:
            found[number] = float((1 - np.exp(misses)).sum()) / attributed
    return found
