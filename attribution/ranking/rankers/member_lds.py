"""member-LDS: the ensemble grades a ranker without retraining.

The linear datamodeling score (Park et al. 2023, "TRAK") asks whether the sum of a ranker's scores
over a training set predicts the loss of a model trained on it, over many models trained on random
halves of the data. The members of an encoded ensemble are such models. For each image, the centred
scores of the works that a member saw are summed and rank-correlated, over the members, with minus
the member's denoising loss on the image.

Member-LDS has two 95 % bootstrap intervals: over images of the same ensemble, and over members. The
second draws members with replacement, the same draw for all images, since a member's peculiarities
show in all images. With few members it is the wider one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from attribution.metrics.statistics import PERCENTILES, bootstrap_interval, spearman
from registry.errors import UsageError

MEMBER_DRAWS = 200
"""Bootstrap draws over members; each recomputes all correlations."""
MEMBER_IMAGES = 128
"""Images for the interval over members, at most, spread over all images."""
FEWEST_IMAGES = 3
"""Fewest images for an interval over images."""
FEWEST_MEMBERS = 3
"""Fewest members for a correlation over members."""


@dataclass(frozen=True)
class MemberLds:
    """Mean rank correlation over images; 95 % bootstrap intervals over images and members."""

    value: float
    low: float
    high: float
    samples: int
    over_members: tuple[float, float] | None = None
    """None: not computed."""

    def to_json(self) -> dict[str, Any]:
        """The entry in an audit."""
        facts: dict[str, Any] = {"value": self.value, "low": self.low, "high": self.high, "samples": self.samples}
        if self.over_members is not None:
            facts["members_low"], facts["members_high"] = self.over_members
        return facts


def correlations_of(
    seen: Float64[np.ndarray, "image member"], member_loss: Float64[np.ndarray, "image member"]
) -> Float64[np.ndarray, " image"]:
    """Per image, Spearman's correlation over members of ``seen`` with minus the loss.

    ``seen``: sums of centred scores over the works that each member saw.
    """
    if seen.shape[0] != member_loss.shape[0]:
        raise UsageError(
            f"{seen.shape[0]} images with scores, {member_loss.shape[0]} with losses: expected equal numbers"
        )
    return spearman(seen, -member_loss)


def summarise(correlations: Float64[np.ndarray, " image"], seed: int = 0) -> MemberLds | None:
    """Mean and interval over images; None: too few images."""
    count = len(correlations)
    if count < FEWEST_IMAGES:
        return None
    low, high = bootstrap_interval(count, lambda draws: correlations[draws].mean(axis=1), seed)
    return MemberLds(float(correlations.mean()), low, high, count)


def interval_over_members(
    seen: Float64[np.ndarray, "image member"], member_loss: Float64[np.ndarray, "image member"], seed: int = 0
) -> tuple[float, float] | None:
    """95 % interval of the mean correlation over draws of members; None: too few members.

    Draws of fewer than :data:`FEWEST_MEMBERS` different members are repeated.
    """
    members = seen.shape[1]
    if members < FEWEST_MEMBERS or not len(seen):
        return None
    rows = np.linspace(0, len(seen) - 1, min(len(seen), MEMBER_IMAGES)).round().astype(int)
    generator = np.random.default_rng(seed)
    means = np.empty(MEMBER_DRAWS)
    for draw in range(MEMBER_DRAWS):
        chosen = _draw_members(members, generator)
        means[draw] = spearman(seen[rows][:, chosen], -member_loss[rows][:, chosen]).mean()
    low, high = np.quantile(means, PERCENTILES)
    return float(low), float(high)


def _draw_members(members: int, generator: np.random.Generator) -> Int64[np.ndarray, " draw"]:
    chosen = generator.integers(0, members, members)
    while len(set(chosen.tolist())) < FEWEST_MEMBERS:
        chosen = generator.integers(0, members, members)
    return np.asarray(chosen)
