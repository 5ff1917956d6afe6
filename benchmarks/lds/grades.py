"""The linear datamodeling score (Park et al. 2023), its intervals and its ceiling."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from attribution.ranking.rankers.member_lds import correlations_of

DRAWS = 1000


def seen_by(scores: Float64[np.ndarray, "query work"], halves: Bool[np.ndarray, "model work"]) -> np.ndarray:
    """Per query and model, the sum of centred scores of the works that the model saw."""
    centred = scores - scores.mean(axis=1, keepdims=True)
    return np.asarray(centred @ halves.T.astype(np.float64))


def per_query(
    scores: Float64[np.ndarray, "query work"],
    loss: Float64[np.ndarray, "query model"],
    halves: Bool[np.ndarray, "model work"],
) -> Float64[np.ndarray, " query"]:
    """Spearman's correlation over models of these sums with minus the loss."""
    return np.asarray(correlations_of(seen_by(scores, halves), loss))


def interval(values: Float64[np.ndarray, " draw"]) -> list[float]:
    """The middle 95 %, in hundredths."""
    return [round(100 * float(bound), 1) for bound in np.quantile(values, [0.025, 0.975])]


def graded(
    scores: Float64[np.ndarray, "query work"],
    loss: Float64[np.ndarray, "query model"],
    halves: Bool[np.ndarray, "model work"],
    generated: Bool[np.ndarray, " query"],
) -> dict[str, Any]:
    """LDS in hundredths, generated and held-out, bootstrapped over queries and over subsets."""
    correlations = per_query(scores, loss, halves)
    sums = seen_by(scores, halves)
    facts: dict[str, Any] = {}
    for kind, rows in (("generated", generated), ("held_out", ~generated)):
        facts[kind] = {
            "lds": round(100 * float(correlations[rows].mean()), 1),
            "over_queries": over_queries(correlations[rows]),
            "over_subsets": interval(_over_subsets(sums[rows], loss[rows])),
        }
    return facts


def difference(
    one: Float64[np.ndarray, "query work"],
    other: Float64[np.ndarray, "query work"],
    loss: Float64[np.ndarray, "query model"],
    halves: Bool[np.ndarray, "model work"],
    generated: Bool[np.ndarray, " query"],
) -> dict[str, Any]:
    """LDS of ``one`` minus that of ``other``, in hundredths, under the same bootstrap draws."""
    facts: dict[str, Any] = {}
    gap = per_query(one, loss, halves) - per_query(other, loss, halves)
    left, right = seen_by(one, halves), seen_by(other, halves)
    for kind, rows in (("generated", generated), ("held_out", ~generated)):
        subsets = _over_subsets(left[rows], loss[rows]) - _over_subsets(right[rows], loss[rows])
        facts[kind] = {
            "difference": round(100 * float(gap[rows].mean()), 1),
            "over_queries": over_queries(gap[rows]),
            "over_subsets": interval(subsets),
        }
    return facts


def ceiling(
    loss: Float64[np.ndarray, "seed query model"], generated: Bool[np.ndarray, " query"]
) -> dict[str, Any] | None:
    """Correlation of losses between training seeds on the same subsets; None for a single seed."""
    if len(loss) < 2:
        return None
    correlations = correlations_of(-loss[0], loss[1])
    facts: dict[str, Any] = {}
    for kind, rows in (("generated", generated), ("held_out", ~generated)):
        one = float(correlations[rows].mean())
        facts[kind] = {
            "seed_against_seed": round(100 * one, 1),
            "over_queries": over_queries(correlations[rows]),
            # Spearman and Brown: a perfect ranker's correlation with the mean of two seeds.
            "perfect_against_the_mean": round(100 * float(np.sqrt(max(0.0, 2 * one / (1 + one)))), 1),
        }
    return facts


def over_queries(values: Float64[np.ndarray, " query"]) -> list[float]:
    """95 % bootstrap interval of the mean over queries, in hundredths."""
    drawn = np.random.default_rng(0).integers(0, len(values), (DRAWS, len(values)))
    return interval(values[drawn].mean(axis=1))


def _over_subsets(
    sums: Float64[np.ndarray, "query model"], loss: Float64[np.ndarray, "query model"], seed: int = 1
) -> Float64[np.ndarray, " draw"]:
    generator = np.random.default_rng(seed)
    count = loss.shape[1]
    means = []
    for _ in range(DRAWS // 4):
        drawn = generator.integers(0, count, count)
        means.append(float(correlations_of(sums[:, drawn], loss[:, drawn]).mean()))
    return np.array(means)
