"""Choosing rightsholders for 100,000 outputs among 10,000, and how far greedy is from the best.

Findings are drawn: one to eight an output, half of them from a few rightsholders with many works;
prices are lognormal. Two claims:

- all facts of the document (greedy choice, bound, curve, draws) take under a minute
  of processor time;
- on small problems that the exact solver solves, the bound is never above the best price, and the
  greedy price is at most twice the best.

    python -m benchmarks.portfolio [--outputs 100000] [--rightsholders 10000] [--small 60]
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import numpy as np

from benchmarks.record import conclude
from reports.portfolios.bound import lower_bound
from reports.portfolios.choice import choose
from reports.portfolios.document import portfolio_facts
from reports.portfolios.evidence import LICENSABLE, Evidence, Holder
from reports.portfolios.exact import exact
from reports.portfolios.greedy import greedy
from reports.portfolios.request import Request

MOST_SECONDS = 60.0
MOST_RATIO = 2.0
MEDIUM = (11_000, 1_000)
"""Outputs and rightsholders near the largest problem that the exact solver gets."""
SMALL = (300, 40)
"""Outputs and rightsholders of a small problem."""


def main() -> int:
    """Measure, write the result, and return 1 if a claim does not hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--outputs", type=int, default=100_000)
    parser.add_argument("--rightsholders", type=int, default=10_000)
    parser.add_argument("--small", type=int, default=60)
    options = parser.parse_args()
    large = [measure(options.outputs, options.rightsholders, share) for share in (1.0, 0.95)]
    ratios = [one for seed in range(options.small) if (one := small(seed)) is not None]
    greedy_ratio, bound_ratio = (np.asarray(column) for column in zip(*ratios, strict=True))
    medium = measure(*MEDIUM, 0.95)
    results = {
        "medium": medium,
        "outputs": options.outputs,
        "rightsholders": options.rightsholders,
        "large": large,
        "small": {
            "outputs_and_rightsholders": SMALL,
            "problems_solved_exactly": len(ratios),
            "greedy_by_best": {"mean": float(greedy_ratio.mean()), "worst": float(greedy_ratio.max())},
            "bound_by_best": {"mean": float(bound_ratio.mean()), "worst": float(bound_ratio.min())},
        },
    }
    held = all(one["processor_seconds"] <= MOST_SECONDS for one in (*large, medium))
    held = held and greedy_ratio.max() <= MOST_RATIO and bound_ratio.max() <= 1 + 1e-6
    claim = (
        f"under {MOST_SECONDS:.0f} s of one processor, and at most {MOST_RATIO} times the best price on small problems"
    )
    return conclude("portfolio", claim, bool(held), results, ("numpy", "scipy"))


def measure(outputs: int, rightsholders: int, share: float) -> dict[str, Any]:
    """Processor seconds of all facts, and what was chosen."""
    evidence, request = drawn(outputs, rightsholders, 0, share)
    start = time.process_time()
    facts, _ = portfolio_facts(evidence, request, [])
    return {
        "share": share,
        "findings": len(evidence.outputs),
        "processor_seconds": round(time.process_time() - start, 1),
        "outputs": outputs,
        "rightsholders": rightsholders,
        "method": facts.method,
        "proven": facts.proven,
        "greedy_cost": facts.greedy_cost,
        "licences": len(facts.chosen),
        "cost": facts.cost,
        "lower_bound": facts.lower_bound,
        "covered": facts.outputs.covered,
        "can_be_covered": facts.outputs.can_be_covered,
        "draws": request.draws,
    }


def small(seed: int) -> tuple[float, float] | None:
    """The greedy price and the bound, both by the best price; None if the solver gave up."""
    evidence, request = drawn(*SMALL, seed, float(np.random.default_rng(seed).choice([1.0, 0.9])))
    cover = choose(evidence, request).cover
    best, found = exact(cover), greedy(cover)
    if best is None or not best.proven or best.cost <= 0:
        return None
    cost = cover.cost(found.chosen)
    return cost / best.cost, lower_bound(cover, cost) / best.cost


def drawn(outputs: int, rightsholders: int, seed: int, share: float) -> tuple[Evidence, Request]:
    """Evidence drawn at random, and the request with prices."""
    rng = np.random.default_rng(seed)
    of_output = np.repeat(np.arange(outputs), rng.integers(1, 9, outputs))
    total = len(of_output)
    popular = np.minimum(rng.pareto(0.9, total) * rightsholders / 250, rightsholders - 1).astype(np.int64)
    owners = np.where(rng.random(total) < 0.5, rng.integers(0, rightsholders, total), popular)
    names = [f"Rightsholder {place:06}" for place in range(rightsholders)]
    evidence = Evidence(
        ids=tuple(f"{place:012x}" for place in range(outputs)),
        outputs=of_output,
        states=np.full(total, LICENSABLE),
        owners=owners,
        probability=rng.uniform(0.8, 0.999, total),
        holders=tuple(Holder(place, name, 1, (), {"unclear": 1}) for place, name in enumerate(names)),
        refused={},
        slight=0,
        not_audited=0,
        images_left_out=0,
    )
    prices = {str(place): float(price) for place, price in enumerate(rng.lognormal(3, 1, rightsholders).round(2))}
    return evidence, Request(share=share, prices=prices, draws=20)


if __name__ == "__main__":
    sys.exit(main())
