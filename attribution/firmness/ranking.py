"""The ranking that orders an audit's candidates, as an attack sees it.

The verdict is the first work of the display: the audit's own rankers, fused with the audit's own
weights (:func:`attribution.ranking.shortlist.shortlists_for`). A differentiable surrogate leads the
search. Every change that is reported was shown to the real ranking.

A fused score is a weighted sum of standardised scores. Up to a constant that all units share it is

    g_u = sum over rankers of  weight / deviation * exp(log score of u)  +  what is held fixed

so the distance of unit u is -log g_u. For the pixel kernel alone that is the squared distance by
the bandwidth, and the margin between two works is linear. Scores of a ranker that is held come from
the real ranking of the audited picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from attribution.firmness.changes import Picture
from attribution.firmness.similarity import Similarity, as_tensor
from attribution.firmness.surrogates import HELD, SLOPE, LogScores, followed, log_scores
from attribution.metrics.euclidean import NotMeasured
from attribution.ranking.encoded_works import EncodedWorks
from attribution.ranking.rankers.fusion import WeightedRanker
from attribution.ranking.rankers.interface import Images, Ranker
from attribution.ranking.shortlist import shortlists_for

NAME = "ranking"
MOST_UNITS, WORKS_OF_A_UNIT = 64, 16
"""Units, and closest works of each, that the surrogate compares: bound memory and time."""
MOST_CHECKS = 200
"""Pictures that each of the two searches shows to the whole ranking: each costs a pass over all
works."""
LEAST = 1e-12
"""Stands for a score of 0, so that it has a logarithm."""


@dataclass(frozen=True, eq=False)
class AuditRanking:
    """The rankers of one audit, and its picture's names and text."""

    rankers: tuple[Ranker, ...]
    parts: tuple[WeightedRanker, ...]
    encoded: EncodedWorks
    shortlist: int
    names: frozenset[str]
    """The audited picture's names in tables of scores. A changed picture keeps them."""
    text: str | None

    @property
    def covered(self) -> list[tuple[Ranker, WeightedRanker]]:
        """The rankers with a weight that have scores for the picture."""
        by_name = {ranker.name: ranker for ranker in self.rankers}
        pairs = [(by_name[part.name], part) for part in self.parts if part.weight > 0]
        return [pair for pair in pairs if pair[0].covers(self.names, self.text)]

    def first(self, picture: Picture) -> int:
        """The unit that the audit's ranking displays first for a picture."""
        (listed,) = shortlists_for(self.rankers, self.encoded, self._images(picture), self.parts, self.shortlist, 1)
        return int(listed.unit_numbers[0])

    def _images(self, picture: Picture) -> Images:
        values = (np.moveaxis(picture, -1, 0).astype(np.float32) / np.float32(255.0)).reshape(1, -1)
        return Images(values, self.encoded.shape, (self.names,), (self.text,))

    def similarity(self, picture: Picture) -> Similarity | NotMeasured:
        """The ranking as a verdict to attack, around the audited picture; or why it cannot be."""
        covered = self.covered
        if not covered:
            return NotMeasured("no ranker with a weight has scores for this picture")
        led = [(ranker, part) for ranker, part in covered if followed(ranker) != HELD]
        if not led:
            names = " and ".join(ranker.name for ranker, _ in covered)
            return NotMeasured(f"it rests on {names} alone, and no search follows that from the picture")
        held = [part for ranker, part in covered if followed(ranker) == HELD]
        (listed,) = shortlists_for(self.rankers, self.encoded, self._images(picture), held, MOST_UNITS, WORKS_OF_A_UNIT)
        units = np.sort(listed.unit_numbers)
        place = np.searchsorted(units, listed.unit_numbers)
        rows = np.asarray([row for works in listed.works for row, _, _ in works], np.int64)
        unit_of_row = torch.from_numpy(np.repeat(place, [len(works) for works in listed.works]))
        fixed = np.zeros(len(units))
        fixed[place] = listed.scores * sum(part.weight for part in held)
        surrogate = _Surrogate(
            [(part.weight, log_scores(ranker, part.scale, self.encoded, rows)) for ranker, part in led],
            unit_of_row,
            len(units),
            len(self.encoded.index.present),
            torch.from_numpy(fixed - fixed.min()) if held else None,
        )
        exact = all(followed(ranker) == SLOPE for ranker, _ in covered)
        verdict = _Verdict(self, surrogate, units, self.first(picture), exact, {})
        return Similarity(NAME, surrogate, units, verdict)


class _Surrogate:
    """Distances of one image to each unit: -log g."""

    def __init__(
        self,
        led: Sequence[tuple[float, LogScores]],
        unit_of_row: Tensor,
        units: int,
        present: int,
        held: Tensor | None,
    ) -> None:
        """``present``: units of the whole ranking; those that are not compared score about 0."""
        self.led, self.unit_of_row, self.units, self.present, self.held = led, unit_of_row, units, present, held

    def __call__(self, images: Tensor) -> Tensor:
        terms = [] if self.held is None else [torch.log(self.held + LEAST)]
        for weight, scores in self.led:
            of_units = self._of_units(scores(images))
            plain = torch.exp(of_units - of_units.max())
            variance = plain.square().sum() / self.present - (plain.sum() / self.present) ** 2
            terms.append(math.log(weight) + of_units - of_units.max() - 0.5 * torch.log(variance + LEAST))
        return -torch.logsumexp(torch.stack(terms), dim=0)[None]

    def _of_units(self, scores: Tensor) -> Tensor:
        """The logarithm of each unit's summed score."""
        top = scores.new_full((self.units,), -math.inf).scatter_reduce(0, self.unit_of_row, scores.detach(), "amax")
        summed = scores.new_zeros(self.units).index_add(0, self.unit_of_row, torch.exp(scores - top[self.unit_of_row]))
        return top + torch.log(summed)


@dataclass
class Checks:
    """The pictures that a search shows to the whole ranking, counted."""

    most: int
    used: int = 0
    ended: bool = False
    """Whether the search asked for more."""

    def take(self) -> bool:
        """Count one more picture; False: there were enough."""
        self.ended = self.used >= self.most
        self.used += not self.ended
        return not self.ended


@dataclass(frozen=True, eq=False)
class _Verdict:
    """The real ranking's first unit. Where every ranker is followed by its own slope, the real
    ranking is asked only about pictures that turn the surrogate: an image costs a pass over all
    works.
    """

    ranking: AuditRanking
    surrogate: _Surrogate
    units: np.ndarray
    first: int
    exact: bool
    known: dict[bytes, int]
    checks: Checks | None = None
    """Of a search: once they are used up, no further picture turns the verdict."""

    def __call__(self, picture: Picture) -> int:
        key = picture.tobytes()
        if key not in self.known:
            # Only here: a ranker by gradients differentiates while the real ranking scores.
            with torch.no_grad():
                guess = int(self.units[int(self.surrogate(as_tensor(picture)).argmin())])
            sure = self.exact and guess == self.first
            if not sure and self.checks is not None and not self.checks.take():
                return self.first
            self.known[key] = self.first if sure else self.ranking.first(picture)
        return self.known[key]


def within(similarity: Similarity, checks: Checks) -> Similarity:
    """The verdict of :meth:`AuditRanking.similarity` as a search sees it that may check so often.

    Pictures that were shown to the ranking before cost no check. A change that the search reports
    was always shown to the ranking.
    """
    if not isinstance(similarity.verdict, _Verdict):
        raise TypeError("expected the verdict of an audit's ranking")
    return replace(similarity, verdict=replace(similarity.verdict, checks=checks))
