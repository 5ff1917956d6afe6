"""How firm a choice is: the outputs and the evidence are drawn again, many times.

Each draw takes as many outputs as there are, with replacement (bootstrap), and takes each finding
to be a source with its probability. In a draw an output counts if it has a source, and is covered
if enough of its sources are licensed or permitted: one; with *hits*, that many, or all that there
are. Two questions are asked: what share the choice covers, and which rightsholders would be chosen
from the draw alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reports.portfolios.cover import Real, Whole, built
from reports.portfolios.evidence import LICENSABLE, PERMITTED, Evidence
from reports.portfolios.greedy import greedy
from reports.portfolios.request import Request

MOST_CHOSEN_AGAIN = 1_000_000
"""Entries, over all draws, among which rightsholders are chosen again: a choice takes long."""


@dataclass(frozen=True, eq=False)
class Draws:
    """What the draws say."""

    coverage: Real
    """(draws): the share of outputs with a source that are covered; NaN: no output had one."""
    chosen_again: int
    """Draws in which rightsholders were chosen again."""
    often: Real
    """(H): the share of these in which each rightsholder was chosen."""


def drawn(evidence: Evidence, chosen: Whole, prices: Real, request: Request, pairs: list[tuple[int, int]]) -> Draws:
    """The draws of a request. ``chosen``: places of rightsholders; ``prices`` (H)."""
    rng = np.random.default_rng(request.seed)
    total, size = len(evidence.ids), len(evidence.holders)
    again = min(request.draws, MOST_CHOSEN_AGAIN // max(len(evidence.outputs), 1))
    licensed = np.zeros(size + 1, bool)
    licensed[chosen] = True
    free = evidence.states == PERMITTED
    open_ = evidence.states == LICENSABLE
    served = free | (open_ & licensed[evidence.owners])
    attributed = np.unique(evidence.outputs)
    coverage, often = np.full(request.draws, np.nan), np.zeros(size)
    if not len(attributed):
        return Draws(coverage, 0, often)
    for place in range(request.draws):
        counts = np.zeros(total)
        counts[attributed] = rng.multinomial(len(attributed), np.full(len(attributed), 1 / len(attributed)))
        sources = rng.random(len(evidence.outputs)) < evidence.probability
        per_output = np.bincount(evidence.outputs[sources], minlength=total)
        wanted = _hits_wanted(per_output, request)
        hits = np.bincount(evidence.outputs[sources & served], minlength=total)
        whole = float(counts[per_output > 0].sum())
        if whole:
            coverage[place] = float(counts[(per_output > 0) & (hits >= wanted)].sum()) / whole
        if place < again:
            before = np.bincount(evidence.outputs[sources & free], minlength=total) / wanted
            asked = sources & open_
            outputs = evidence.outputs[asked]
            problem = built(
                (evidence.owners[asked], outputs, 1.0 / wanted[outputs]),
                prices,
                np.clip(1.0 - before, 0.0, 1.0),
                request.share,
                np.where(per_output > 0, counts, 0.0),
                pairs,
            )
            often[list(greedy(problem, curve=False).chosen)] += 1
    return Draws(coverage, again, often / max(again, 1))


def _hits_wanted(sources: Whole, request: Request) -> Whole:
    """(O): the sources that must be licensed or permitted, at least 1."""
    if request.hits == "all":
        return np.maximum(sources, 1)
    return np.clip(sources, 1, request.hits or 1)
