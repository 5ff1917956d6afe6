"""The study of the grades' thresholds: its further rules for a main source."""

from __future__ import annotations

import numpy as np

from benchmarks.grades import verdict_sizes


def test_rules_compare_within_one_output() -> None:
    """A finding at the threshold; also at least half of the output's largest; the largest alone."""
    low = np.array([0.60, 0.31, 0.20, 0.90, 0.16, 0.14])
    q = np.array([0.01, 0.01, 0.01, 0.30, 0.01, 0.01])
    found = verdict_sizes.rules_of(verdict_sizes.Tested(low, q, np.array([0, 0, 0, 0, 1, 1]), {}, {}))
    threshold, half, largest = (found[rule].tolist() for rule in verdict_sizes.RULES)
    assert threshold == [True, True, True, False, True, False]
    assert half == [True, True, False, False, True, False]
    assert largest == [True, False, False, False, True, False]
