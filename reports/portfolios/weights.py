"""What a finding is worth: its probability, and the weight that follows from a rule.

The probability that a finding is a source of its output is

    (1 - q) x P(effect > 0)

q bounds the expected share of false findings among those with a q as small (Benjamini and
Hochberg); P(effect > 0) follows from the 95 % interval as that of a normal distribution, and is 1
where no effect was measured. A candidate that did not pass its test has probability 0: no evidence
is not weak evidence.

Rules:

- *certainty* c: an output is covered if the probability that at least one licensed or permitted
  finding is a source, ``1 - product of (1 - probability)``, is at least c. In logarithms this is a
  sum: a finding weighs ``log(1 - probability) / log(1 - c)``. Each further finding of an output
  adds less to the probability.
- *hits* k: an output is covered if at least k of its findings are licensed or permitted, or all.
  A finding weighs 1 / k.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from reports.portfolios.cover import Real, Whole

MOST = 1 - 1e-9
"""No finding is certain."""
INTERVAL = 2 * 1.959963984540054
"""Width of a 95 % interval in standard deviations."""


def probabilities(q_values: Real, effects: Real, lows: Real, highs: Real) -> Real:
    """(E): the probability that each finding is a source; effects are NaN where not measured."""
    spread = (highs - lows) / INTERVAL
    with np.errstate(divide="ignore", invalid="ignore"):
        standard = np.where(spread > 0, effects / spread, np.where(effects > 0, np.inf, -np.inf))
    positive = np.where(np.isnan(effects) | np.isnan(spread), 1.0, _normal(standard))
    return np.asarray(np.clip((1 - q_values) * positive, 0.0, MOST), np.float64)


def _normal(values: Real) -> Real:
    """The standard normal distribution function."""
    from math import erfc, sqrt

    distinct, places = np.unique(values, return_inverse=True)
    found = np.asarray([0.5 * erfc(-each / sqrt(2)) for each in distinct.tolist()], np.float64)
    return np.asarray(found[places], np.float64)


def weights_of(
    probability: Real, outputs: Whole, hits: int | Literal["all"] | None, certainty: float, total: int
) -> Real:
    """(E): the weight of each finding; ``total``: the number of outputs."""
    if hits is None:
        return np.asarray(np.log1p(-probability) / np.log1p(-certainty), np.float64)
    if hits == "all":
        return np.asarray(1.0 / np.bincount(outputs, minlength=total)[outputs], np.float64)
    return np.full(len(outputs), 1.0 / hits)
