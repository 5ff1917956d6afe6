"""member-LDS: the ensemble grades a ranker without retraining anything.

The linear datamodeling score (Park et al. 2023, "TRAK") asks whether the sum of a ranker's scores over a training set predicts
the loss of a model trained on it, over many models trained on random halves of the data. The members of an encoded ensemble
are such models. For each image, the scores of what a member saw are summed (centred, so that seeing many works counts for
nothing) and rank-correlated, over the members, with minus the member's denoising loss on the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from registry.errors import UsageError

BOOTSTRAP_DRAWS = 2000
FEWEST_IMAGES = 3
"""Below this an interval over images says nothing."""


@dataclass(frozen=True)
class MemberLds:
    """Mean rank correlation over images, with a 95 % bootstrap interval over images."""

    value: float
    low: float
    high: float
    samples: int

    def to_json(self) -> dict[str, Any]:
        """As it is stored with an audit."""
        return {"value": self.value, "low": self.low, "high": self.high, "samples": self.samples}


def member_correlations(
    scores: Float64[np.ndarray, "image unit"],
    member_loss: Float64[np.ndarray, "image member"],
    membership: Bool[np.ndarray, "unit member"],
) -> Float64[np.ndarray, " image"]:
    """Spearman's correlation over members of the scores seen with minus the loss, one number an image."""
    if scores.shape[0] != member_loss.shape[0]:
        raise UsageError(f"scores for {scores.shape[0]} images, losses for {member_loss.shape[0]}: expected as many")
    centred = scores - scores.mean(axis=1, keepdims=True)
    correlations: Float64[np.ndarray, " image"] = _spearman(centred @ membership.astype(np.float64), -member_loss)
    return correlations


def summarise(correlations: Float64[np.ndarray, " image"], seed: int = 0) -> MemberLds | None:
    """Mean and interval; None for too few images."""
    count = len(correlations)
    if count < FEWEST_IMAGES:
        return None
    draws = np.random.default_rng(seed).integers(0, count, (BOOTSTRAP_DRAWS, count))
    low, high = np.quantile(correlations[draws].mean(axis=1), [0.025, 0.975])
    return MemberLds(float(correlations.mean()), float(low), float(high), count)


def _spearman(
    left: Float64[np.ndarray, "row item"], right: Float64[np.ndarray, "row item"]
) -> Float64[np.ndarray, " row"]:
    a, b = _centred_ranks(left), _centred_ranks(right)
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    correlation: Float64[np.ndarray, " row"] = np.zeros(len(a))
    np.divide((a * b).sum(axis=1), scale, out=correlation, where=scale > 0)
    return correlation


def _centred_ranks(values: Float64[np.ndarray, "row item"]) -> Float64[np.ndarray, "row item"]:
    """Ranks with ties shared, minus their mean."""
    smaller = (values[:, None, :] < values[:, :, None]).sum(axis=2)
    equal = (values[:, None, :] == values[:, :, None]).sum(axis=2)
    ranks = smaller + (equal - 1) / 2
    return np.asarray(ranks - ranks.mean(axis=1, keepdims=True), dtype=np.float64)
