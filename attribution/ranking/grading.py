"""How an ensemble grades rankers, and which of them it chooses.

All rankers that an audit was told to use have their say in what is tested. Which of them, at which
scale and weight, orders what is displayed is chosen by cross-fitted member-LDS
(:mod:`attribution.ranking.rankers.fusion`) over the ensemble's own samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from attribution.ensemble.serving import ServingEnsemble
from attribution.ranking.rankers.fusion import Fit, Graded, Part, fit
from attribution.ranking.rankers.interface import Images, Ranker
from attribution.ranking.rankers.member_lds import FEWEST_IMAGES, FEWEST_MEMBERS, MemberLds
from attribution.ranking.rankers.pixel_kernel import PixelKernel
from attribution.ranking.rankers.scan import scan
from attribution.ranking.shortlist import Corpus, images_at_once
from attribution.sampling.generate import altered_file
from attribution.sampling.predictions import load_predictions
from registry.outputs.queries import samples_of
from registry.storage.database import Registry

GRADED_IMAGES = 512
"""Samples that are graded on, at most: intervals over samples no longer matter beyond."""
GRADED_PAIRS = 500_000_000
"""Pairs of sample and work that are graded on, at most, but always :data:`FEWEST_GRADED`
samples."""
FEWEST_GRADED = 16
IMAGES_TOGETHER = 64
"""Images that are graded together: bounds memory, changes nothing else."""
DEFAULT_SCALE = 0.01
"""Bandwidth of the pixel kernel that is displayed where too few samples exist to choose one."""


@dataclass(frozen=True)
class RankerChoice:
    """What orders the display of a shortlist, and how the ensemble grades it."""

    parts: tuple[Part, ...]
    grade: MemberLds | None
    not_graded: str = f"fewer than {FEWEST_IMAGES} samples of this ensemble; generate more and audit again"
    """Why there is no grade, where there is none."""
    by_scale: Mapping[str, tuple[float, ...]] | None = None
    """By ranker, mean member-LDS at every scale, where it was measured."""

    @property
    def name(self) -> str:
        """As reports call it."""
        return " + ".join(part.name for part in self.parts)

    @property
    def scale(self) -> float | None:
        """The scale, where one ranker alone was chosen."""
        return self.parts[0].scale if len(self.parts) == 1 else None

    def to_json(self, rankers: Sequence[Ranker]) -> dict[str, Any]:
        """As it is stored with an audit."""
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
    """One ranker by itself."""

    name: str
    scales: tuple[float, ...]
    fit: Fit | None
    """The best scale and its cross-fitted grade; None where nothing could be graded."""


@dataclass(frozen=True)
class Grades:
    """All rankers by themselves, and the fusion of them that is chosen."""

    rankers: tuple[GradedRanker, ...]
    choice: RankerChoice


@dataclass(frozen=True, eq=False)
class GradedSamples:
    """Samples of an ensemble with the losses of the members that served them."""

    images: Images
    member_loss: Float64[np.ndarray, "image member"]

    def covered_by(self, rankers: Sequence[Ranker]) -> GradedSamples:
        """Those that all rankers have scores for."""
        names = self.images.names
        kept = [row for row in range(len(self.images)) if all(ranker.covers(names[row]) for ranker in rankers)]
        images = Images(self.images.values[kept], self.images.shape, tuple(names[row] for row in kept))
        return GradedSamples(images, self.member_loss[kept])


def identity_of(ranker: Ranker) -> dict[str, Any]:
    """What decides a ranker's scores."""
    return {"name": ranker.name, "scales": list(ranker.scales), "settings": ranker.settings()}


def grade_rankers(
    rankers: Sequence[Ranker],
    corpus: Corpus,
    samples: GradedSamples,
    on_progress: Callable[[int, int], object] = lambda _done, _total: None,
) -> Grades:
    """Grade each ranker by itself and choose the fusion that grades best.

    ``on_progress`` gets (images scored now, images times rankers).

    Raises:
        MissingPartError: what a ranker needs is not there.
    """
    reason = _why_not(rankers, corpus, samples)
    samples = samples.covered_by(rankers)
    if reason is not None:
        parts = _without_grades(rankers)
        return Grades(
            tuple(GradedRanker(ranker.name, tuple(ranker.scales), None) for ranker in rankers),
            RankerChoice(parts, None, reason),
        )
    count = min(GRADED_IMAGES, max(FEWEST_GRADED, GRADED_PAIRS // max(1, len(corpus.source))), len(samples.images))
    images, losses = samples.images.part(slice(0, count)), samples.member_loss[:count]
    graded = [
        graded_scores(ranker, corpus, images, lambda done: on_progress(done, count * len(rankers)))
        for ranker in rankers
    ]
    alone = [fit([one], losses) for one in graded]
    together = alone[0] if len(graded) == 1 else fit(graded, losses)
    by_scale = {one.name: found.by_scale[0] for one, found in zip(graded, alone, strict=True)}
    return Grades(
        tuple(GradedRanker(one.name, one.scales, found) for one, found in zip(graded, alone, strict=True)),
        RankerChoice(together.parts, together.grade, by_scale=by_scale),
    )


def _why_not(rankers: Sequence[Ranker], corpus: Corpus, samples: GradedSamples) -> str | None:
    members = corpus.membership.shape[1]
    if members < FEWEST_MEMBERS:
        return f"fewer than {FEWEST_MEMBERS} members served; run `creditline retrain`"
    if len(samples.images) < FEWEST_IMAGES:
        return RankerChoice.not_graded
    if len(samples.covered_by(rankers).images) < FEWEST_IMAGES:
        return f"the rankers have scores for fewer than {FEWEST_IMAGES} samples of this ensemble; score more of them"
    return None


def _without_grades(rankers: Sequence[Ranker]) -> tuple[Part, ...]:
    """All rankers alike, each at the middle of its grid, or the pixel kernel alone at its usual
    scale.
    """
    if any(ranker.name == PixelKernel.name for ranker in rankers):
        return (Part(PixelKernel.name, DEFAULT_SCALE, 1.0),)
    return tuple(Part(one.name, one.scales[len(one.scales) // 2], 1.0 / len(rankers)) for one in rankers)


def graded_scores(
    ranker: Ranker, corpus: Corpus, images: Images, on_progress: Callable[[int], object] = lambda _done: None
) -> Graded:
    """The sums, over what each member saw, of a ranker's standardised scores for some images."""
    step = images_at_once(corpus.index, len(ranker.scales), IMAGES_TOGETHER)
    seen_units = corpus.membership[corpus.index.present].sum(axis=0)
    parts = []
    for start in range(0, len(images), step):
        part = images.part(slice(start, start + step))
        query = ranker.prepare(part, corpus.source)
        scanned = scan(query, corpus.source.pixels, len(part), len(ranker.scales), corpus.index, 1, corpus.membership)
        parts.append(scanned.standardised_seen(seen_units))
        on_progress(len(part))
    return Graded(ranker.name, tuple(ranker.scales), np.concatenate(parts).transpose(1, 0, 2))


def graded_samples(registry: Registry, ensemble: ServingEnsemble) -> GradedSamples:
    """The samples that these members served, in order of seed, altered ones left out."""
    values, names, losses = [], [], []
    settings = ensemble.settings.image
    with registry.session() as session:
        samples = [row for row in samples_of(session, ensemble.id) if row.members_sha256 == ensemble.members_sha256]
    for sample in samples[:GRADED_IMAGES]:
        if altered_file(registry.home, sample) is None:
            predictions, further = load_predictions(registry.home.sample_tensors(sample.id))
            values.append((np.clip(further["output"], -1.0, 1.0).reshape(-1) + 1.0) / 2.0)
            names.append(frozenset({sample.id, sample.image_sha256}))
            losses.append(predictions.member_loss)
    shape = (settings.channels, settings.size, settings.size)
    images = np.asarray(values, dtype=np.float32).reshape(len(values), math.prod(shape))
    member_loss = np.asarray(losses, dtype=np.float64).reshape(len(values), len(ensemble.indices))
    return GradedSamples(Images(images, shape, tuple(names)), member_loss)
