"""What a ranker is, and how its scores for works become an order of units.

A ranker never sees codes or members: the test of layer 2 is valid only because the shortlist was chosen without them.
A method may have a scale (a kernel's bandwidth) that is not known beforehand. It then scores at every scale of a grid; the
shortlist takes each unit at its best rank over the whole grid, so that the scale, which member-LDS picks with the codes in
hand, decides what is displayed but never what is tested.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float64, Int64


class Ranker(ABC):
    """One attribution method."""

    name: str
    """As it is stored with an audit."""
    scales: Sequence[float]
    """The grid of scales that it scores at; one entry where it has none."""

    @abstractmethod
    def score(
        self, images: Float[np.ndarray, "image value"], works: Float[np.ndarray, "work value"]
    ) -> Float64[np.ndarray, "scale image work"]:
        """Score every work for every image, larger for more likely sources; both in [0, 1], flattened alike."""


def unit_scores(
    work_scores: Float64[np.ndarray, "*axes work"], unit_of_work: Int64[np.ndarray, " work"], unit_count: int
) -> Float64[np.ndarray, "*axes unit"]:
    """Sum the works' scores over each unit: a unit is as likely a source as its works together."""
    flat = work_scores.reshape(-1, work_scores.shape[-1])
    summed = np.stack([np.bincount(unit_of_work, weights=row, minlength=unit_count) for row in flat])
    return summed.reshape(*work_scores.shape[:-1], unit_count)


def shortlist(scores: Float64[np.ndarray, "scale unit"], length: int) -> Int64[np.ndarray, " place"]:
    """The units to test for one image, best first: by their best rank over the scales, then by their mean rank.

    Ties between equal scores go to the unit with the smaller number, so the order is a function of the scores alone.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(scores.shape[1])[None, :], axis=1)
    places = np.lexsort((ranks.mean(axis=0), ranks.min(axis=0)))
    return places[:length].astype(np.int64)
