"""Grades rankers by the ensemble's own samples, and chooses the fusion that orders the display.

Grades are cross-fitted member-LDS (:mod:`attribution.ranking.rankers.fusion`). They depend on the
codes, so the choice never changes which units are tested.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from attribution.ensemble.serving import ServingEnsemble
from attribution.ranking.encoded_works import EncodedWorks
from attribution.ranking.rankers.fusion import Fusion, SummedScores, WeightedRanker, fit_fusion
from attribution.ranking.rankers.interface import Images, Ranker
from attribution.ranking.rankers.kernel import PixelKernel
from attribution.ranking.rankers.member_lds import FEWEST_IMAGES, FEWEST_MEMBERS, MemberLds
from attribution.ranking.rankers.scan import scan
from attribution.ranking.shortlist import images_at_once
from attribution.sampling.generate import altered_file
from attribution.sampling.predictions import load_sample
from registry.outputs.queries import samples_of
from registry.storage.database import Registry

GRADED_IMAGES = 512
"""Samples to grade on, at most: with more, the interval over samples no longer matters."""
GRADED_PAIRS = 500_000_000
"""Pairs of sample and work to grade on, at most, but always :data:`FEWEST_GRADED` samples."""
FEWEST_GRADED = 16
IMAGES_TOGETHER = 64
"""Images graded at once: bounds memory and does not change the result."""
DEFAULT_SCALE = 0.01
"""Bandwidth of the pixel kernel if there are too few samples to choose one."""


@dataclass(frozen=True)
class RankerChoice:
    """The fusion that orders the display of a shortlist, and its grade."""

    parts: tuple[WeightedRanker, ...]
    grade: MemberLds | None
    not_graded: str = f"fewer than {FEWEST_IMAGES} samples of this ensemble; generate more and audit again"
    """The reason for a missing grade."""
    by_scale: Mapping[str, tuple[float, ...]] | None = None
    """By ranker, mean member-LDS at every scale; None: not measured."""

    @property
    def name(self) -> str:
        """Name in reports."""
        return " + ".join(part.name for part in self.parts)

    @property
    def scale(self) -> float | None:
        """The scale, if a single ranker was chosen."""
        return self.parts[0].scale if len(self.parts) == 1 else None

    def to_json(self, rankers: Sequence[Ranker]) -> dict[str, Any]:
        """The entry in an audit."""
        graded = self.by_scale or {}
        return {
            "name": self.name,
            "bandwidth": self.scale,
            "parts": [part.to_json() for part in self.parts],
            "rankers": [
                {**identity_of(ranker), "member_lds_by_scale": list(graded.get(ranker.name, ()))} for ranker in rankers
            ],
            "member_lds": {"not_measured": self.not_graded} if self.grade is None else self.grade.to_json(),
        }


@dataclass(frozen=True)
class GradedRanker:
    """One ranker alone, with its grade."""

    name: str
    scales: tuple[float, ...]
    fusion: Fusion | None
    """The best scale and its cross-fitted grade; None: not graded."""


@dataclass(frozen=True)
class Grades:
    """All rankers one by one, and the chosen fusion."""

    rankers: tuple[GradedRanker, ...]
    choice: RankerChoice


@dataclass(frozen=True, eq=False)
class GradedSamples:
    """Samples of an ensemble, with the losses of the members that generated them."""

    images: Images
    member_loss: Float64[np.ndarray, "image member"]

    def covered_by(self, rankers: Sequence[Ranker]) -> GradedSamples:
        """The samples for which all rankers have scores."""
        names = self.images.names
        kept = [row for row in range(len(self.images)) if all(ranker.covers(names[row]) for ranker in rankers)]
        images = Images(self.images.values[kept], self.images.shape, tuple(names[row] for row in kept))
        return GradedSamples(images, self.member_loss[kept])


def identity_of(ranker: Ranker) -> dict[str, Any]:
    """Everything that decides a ranker's scores."""
    return {"name": ranker.name, "scales": list(ranker.scales), "settings": ranker.settings()}


def grade_rankers(
    rankers: Sequence[Ranker],
    encoded: EncodedWorks,
    samples: GradedSamples,
    on_progress: Callable[[int, int], object] = lambda _done, _total: None,
) -> Grades:
    """Grade each ranker alone and choose the fusion with the best grade.

    ``on_progress`` gets (images scored now, images times rankers).

    Raises:
        MissingPartError: a file, model or library that a ranker needs is absent.
    """
    reason = _why_not(rankers, encoded, samples)
    samples = samples.covered_by(rankers)
    if reason is not None:
        parts = _without_grades(rankers)
        return Grades(
            tuple(GradedRanker(ranker.name, tuple(ranker.scales), None) for ranker in rankers),
            RankerChoice(parts, None, reason),
        )
    count = min(GRADED_IMAGES, max(FEWEST_GRADED, GRADED_PAIRS // max(1, len(encoded.source))), len(samples.images))
    images, losses = samples.images.part(slice(0, count)), samples.member_loss[:count]
    graded = [
        graded_scores(ranker, encoded, images, lambda done: on_progress(done, count * len(rankers)))
        for ranker in rankers
    ]
    alone = [fit_fusion([one], losses) for one in graded]
    together = alone[0] if len(graded) == 1 else fit_fusion(graded, losses)
    by_scale = {one.name: found.by_scale[0] for one, found in zip(graded, alone, strict=True)}
    return Grades(
        tuple(GradedRanker(one.name, one.scales, found) for one, found in zip(graded, alone, strict=True)),
        RankerChoice(together.parts, together.grade, by_scale=by_scale),
    )


def _why_not(rankers: Sequence[Ranker], encoded: EncodedWorks, samples: GradedSamples) -> str | None:
    members = encoded.membership.shape[1]
    if members < FEWEST_MEMBERS:
        return f"fewer than {FEWEST_MEMBERS} members served; run `creditline retrain`"
    if len(samples.images) < FEWEST_IMAGES:
        return RankerChoice.not_graded
    if len(samples.covered_by(rankers).images) < FEWEST_IMAGES:
        return f"the rankers have scores for fewer than {FEWEST_IMAGES} samples of this ensemble; score more of them"
    return None


def _without_grades(rankers: Sequence[Ranker]) -> tuple[WeightedRanker, ...]:
    """The pixel kernel at its default scale; without it, all rankers alike at middle scales."""
    if any(ranker.name == PixelKernel.name for ranker in rankers):
        return (WeightedRanker(PixelKernel.name, DEFAULT_SCALE, 1.0),)
    return tuple(WeightedRanker(one.name, one.scales[len(one.scales) // 2], 1.0 / len(rankers)) for one in rankers)


def graded_scores(
    ranker: Ranker, encoded: EncodedWorks, images: Images, on_progress: Callable[[int], object] = lambda _done: None
) -> SummedScores:
    """Standardised scores for some images, summed over the units that each member saw."""
    step = images_at_once(encoded.index, len(ranker.scales), IMAGES_TOGETHER)
    seen_units = encoded.membership[encoded.index.present].sum(axis=0)
    parts = []
    for start in range(0, len(images), step):
        part = images.part(slice(start, start + step))
        query = ranker.prepare(part, encoded.source)
        scanned = scan(
            query, encoded.source.pixels, len(part), len(ranker.scales), encoded.index, 1, encoded.membership
        )
        parts.append(scanned.standardised_seen(seen_units))
        on_progress(len(part))
    return SummedScores(ranker.name, tuple(ranker.scales), np.concatenate(parts).transpose(1, 0, 2))


def graded_samples(registry: Registry, ensemble: ServingEnsemble) -> GradedSamples:
    """The unaltered samples of these members."""
    values, names, losses = [], [], []
    settings = ensemble.settings.image
    with registry.session() as session:
        samples = [row for row in samples_of(session, ensemble.id) if row.members_sha256 == ensemble.members_sha256]
    for sample in samples[:GRADED_IMAGES]:
        if altered_file(registry.home, sample) is None:
            predictions, image = load_sample(registry.home.sample_tensors(sample.id))
            values.append(image.reshape(-1))
            names.append(frozenset({sample.id, sample.image_sha256}))
            losses.append(predictions.member_loss)
    shape = (settings.channels, settings.size, settings.size)
    images = np.asarray(values, dtype=np.float32).reshape(len(values), math.prod(shape))
    member_loss = np.asarray(losses, dtype=np.float64).reshape(len(values), len(ensemble.indices))
    return GradedSamples(Images(images, shape, tuple(names)), member_loss)
