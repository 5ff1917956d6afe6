"""Grades rankers by the ensemble itself, and chooses the rankers that order the display.

Users ask about two kinds of image: samples that the ensemble generated, and images that are given
to it. A ranker can be good on one kind and bad on the other, so there is one grade and one choice
per kind. Every audit is of one kind and uses the choice for it. A single choice for both would have
to be the weaker one on some kind, and no audit would gain by it.

- Generated images are graded on the ensemble's samples.
- Given images are graded on works that are noised again, and on works that no member saw
  (:mod:`attribution.ranking.given_images`). A work is graded by the members that did not see its
  unit: to them it is an image from outside. Its own unit has no part in the scores. Most given
  images come without a prompt, so rankers by prompt have no part in their choice.

Grades are cross-fitted member-LDS, and choices start from the simplest ranker
(:mod:`attribution.ranking.rankers.fusion`). Half of the members cannot grade a work, so its grade
is noisier than a sample's: given images keep the scales that samples chose, unless others are
clearly better. Where given images were not graded, the simplest ranker
alone orders them: what samples say about a fusion need not hold for other images. Grades depend on
the codes, so a choice never changes which units are tested.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64, Int64

from attribution.ensemble.serving import ServingEnsemble
from attribution.ranking.encoded_works import EncodedWorks
from attribution.ranking.rankers.fusion import (
    PREFERRED,
    Comparison,
    Fusion,
    SummedScores,
    WeightedRanker,
    fit_fusion,
    simplest,
)
from attribution.ranking.rankers.interface import Images, Ranker
from attribution.ranking.rankers.kernel import PixelKernel
from attribution.ranking.rankers.member_lds import FEWEST_IMAGES, FEWEST_MEMBERS, MemberLds
from attribution.ranking.rankers.scan import scan
from attribution.ranking.shortlist import images_at_once
from attribution.sampling.generate import altered_file
from attribution.sampling.predictions import load_sample
from registry.outputs.queries import samples_of
from registry.storage.database import Registry

GRADED_PAIRS = 500_000_000
"""Pairs of sample and work to grade on, at most, but always :data:`FEWEST_GRADED` samples."""
FEWEST_GRADED = 16
IMAGES_TOGETHER = 64
"""Images graded at once: bounds memory and does not change the result."""
DEFAULT_SCALE = 0.01
"""Bandwidth of the pixel kernel if there are too few samples to choose one."""


Kind = Literal["sample", "image"]
"""A generated sample, or an image that was given."""
NO_GIVEN = "no works were noised again for it; `creditline rankers --keep` grades given images too"


@dataclass(frozen=True)
class RankerChoice:
    """The ranker or fusion that orders the display of a shortlist for one kind of image."""

    parts: tuple[WeightedRanker, ...]
    grade: MemberLds | None
    not_graded: str = f"fewer than {FEWEST_IMAGES} samples of this ensemble; generate more and audit again"
    """The reason for a missing grade."""
    by_scale: Mapping[str, tuple[float, ...]] | None = None
    """By ranker, mean member-LDS at every scale; None: not measured."""
    comparisons: tuple[Comparison, ...] = ()
    """The alternatives that were compared with a simpler choice."""

    @property
    def name(self) -> str:
        """Name in reports."""
        return " + ".join(part.name for part in self.parts)

    @property
    def scale(self) -> float | None:
        """The scale, if a single ranker was chosen."""
        return self.parts[0].scale if len(self.parts) == 1 else None

    def grade_json(self) -> dict[str, Any]:
        """The grade, or the reason for a missing one."""
        return {"not_measured": self.not_graded} if self.grade is None else self.grade.to_json()

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
            "member_lds": self.grade_json(),
            "comparisons": [one.to_json() for one in self.comparisons],
        }


@dataclass(frozen=True)
class Choices:
    """The choice for each kind of image."""

    generated: RankerChoice
    given: RankerChoice

    def of(self, kind: Kind) -> RankerChoice:
        """The choice for this kind of image."""
        return self.generated if kind == "sample" else self.given


@dataclass(frozen=True)
class GradedRanker:
    """One ranker alone, with its best scale and cross-fitted grade by kind of image."""

    name: str
    scales: tuple[float, ...]
    generated: Fusion | None
    """None: not graded."""
    given: Fusion | None
    """None: not graded."""


@dataclass(frozen=True)
class Grades:
    """All rankers one by one, and the choices."""

    rankers: tuple[GradedRanker, ...]
    choices: Choices


@dataclass(frozen=True, eq=False)
class GradedImages:
    """Images of one kind, with the losses of the members in service."""

    images: Images
    member_loss: Float64[np.ndarray, "image member"]
    """NaN: the member saw the image's unit."""
    left_out: Int64[np.ndarray, " image"] | None = None
    """The unit that each image is a work of, -1 for none; None: none of them is a work."""

    def covered_by(self, rankers: Sequence[Ranker]) -> GradedImages:
        """The images for which all rankers have scores."""
        known = list(zip(self.images.names, self.images.prompts, strict=True))
        return self.part(
            np.array([row for row, own in enumerate(known) if all(one.covers(*own) for one in rankers)], dtype=np.int64)
        )

    def part(self, rows: Int64[np.ndarray, " row"]) -> GradedImages:
        """Some of the images."""
        names = tuple(self.images.names[row] for row in rows)
        texts = tuple(self.images.prompts[row] for row in rows)
        images = Images(self.images.values[rows], self.images.shape, names, texts)
        return GradedImages(images, self.member_loss[rows], None if self.left_out is None else self.left_out[rows])


def identity_of(ranker: Ranker) -> dict[str, Any]:
    """Everything that decides a ranker's scores."""
    return {"name": ranker.name, "scales": list(ranker.scales), "settings": ranker.settings()}


def grade_facts(fusion: Fusion | None, choice: RankerChoice) -> dict[str, Any]:
    """One ranker's grade for a record; ``choice``: for the same kind, with the reason for none."""
    if fusion is None or fusion.grade is None:
        return {"not_measured": choice.not_graded}
    return fusion.grade.to_json()


def grade_rankers(
    rankers: Sequence[Ranker],
    encoded: EncodedWorks,
    samples: GradedImages,
    given: GradedImages | None = None,
    on_progress: Callable[[int, int], object] = lambda _done, _total: None,
) -> Grades:
    """Grade each ranker alone and choose, for both kinds of image.

    ``given``: re-noised works and works that no member saw; None: there are none.
    ``on_progress`` gets (images scored now, images times rankers).

    Raises:
        MissingPartError: a file, model or library that a ranker needs is absent.
    """
    few_given = f"fewer than {FEWEST_IMAGES} works that can be noised again for it"
    without_prompt = [one for one in rankers if not one.by_prompt] or rankers
    kinds = [
        _Kind.of(rankers, without_prompt, encoded, samples, RankerChoice.not_graded),
        _Kind(None, without_prompt, NO_GIVEN)
        if given is None
        else _Kind.of(without_prompt, without_prompt, encoded, given, few_given),
    ]
    total = sum(kind.count * len(kind.rankers) for kind in kinds)
    on_samples = kinds[0].graded(encoded, None, lambda done: on_progress(done, total))
    known = None if on_samples is None else {name: found.parts[0].scale for name, found in on_samples[0].items()}
    on_given = kinds[1].graded(encoded, known, lambda done: on_progress(done, total))
    generated = _choice(kinds[0], on_samples) or RankerChoice(_without_grades(rankers), None, kinds[0].reason)
    alone = [{} if graded is None else graded[0] for graded in (on_samples, on_given)]
    return Grades(
        tuple(GradedRanker(one.name, tuple(one.scales), *(found.get(one.name) for found in alone)) for one in rankers),
        Choices(generated, _choice(kinds[1], on_given) or _ungraded(generated, on_samples, kinds[1])),
    )


_Graded = tuple[dict[str, Fusion], Fusion]
"""Each ranker alone, by name, and all together."""


@dataclass(frozen=True, eq=False)
class _Kind:
    """The images of one kind to grade on; None: there are too few, for this reason."""

    images: GradedImages | None
    rankers: Sequence[Ranker]
    """The rankers to choose from."""
    reason: str = ""

    @classmethod
    def of(
        cls,
        rankers: Sequence[Ranker],
        without_prompt: Sequence[Ranker],
        encoded: EncodedWorks,
        found: GradedImages,
        too_few: str,
    ) -> _Kind:
        """``without_prompt``: the rankers to choose from where too few images have a prompt."""
        if encoded.membership.shape[1] < FEWEST_MEMBERS:
            return cls(None, rankers, f"fewer than {FEWEST_MEMBERS} members served; run `creditline retrain`")
        if len(found.images) < FEWEST_IMAGES:
            return cls(None, rankers, too_few)
        covered = found.covered_by(rankers)
        if len(covered.images) < FEWEST_IMAGES:
            rankers, covered = without_prompt, found.covered_by(without_prompt)
        if len(covered.images) < FEWEST_IMAGES:
            what = "works" if found.left_out is not None else "samples of this ensemble"
            reason = f"the rankers have scores for fewer than {FEWEST_IMAGES} {what}; score more of them"
            return cls(None, rankers, reason)
        most = min(one.most_graded for one in rankers)
        most = min(most, max(FEWEST_GRADED, GRADED_PAIRS // max(1, len(encoded.source))))
        return cls(covered.part(np.arange(min(most, len(covered.images)))), rankers)

    @property
    def count(self) -> int:
        return 0 if self.images is None else len(self.images.images)

    def graded(
        self,
        encoded: EncodedWorks,
        known: Mapping[str, float] | None,
        on_progress: Callable[[int], object],
    ) -> _Graded | None:
        found = self.images
        if found is None:
            return None
        scored = [graded_scores(ranker, encoded, found.images, found.left_out, on_progress) for ranker in self.rankers]
        alone = {one.name: fit_fusion([one], found.member_loss, known) for one in scored}
        together = alone[scored[0].name] if len(scored) == 1 else fit_fusion(scored, found.member_loss, known)
        return alone, together


def _choice(kind: _Kind, graded: _Graded | None) -> RankerChoice | None:
    if graded is None:
        return None
    alone, together = graded
    by_scale = {name: found.by_scale[0] for name, found in alone.items()}
    return RankerChoice(together.parts, together.grade, kind.reason, by_scale, together.comparisons)


def _ungraded(generated: RankerChoice, on_samples: _Graded | None, given: _Kind) -> RankerChoice:
    """The choice for given images without grades: the simplest ranker, at its scale on samples."""
    names = [one.name for one in given.rankers]
    parts = generated.parts if on_samples is None else on_samples[0][names[simplest(names)]].parts
    return RankerChoice(parts, None, given.reason)


def _without_grades(rankers: Sequence[Ranker]) -> tuple[WeightedRanker, ...]:
    """The simplest ranker at its default scale; if none is preferred, all alike in the middle."""
    found = rankers[simplest([one.name for one in rankers])]
    if found.name == PixelKernel.name:
        return (WeightedRanker(found.name, DEFAULT_SCALE, 1.0),)
    if found.name in PREFERRED:
        return (WeightedRanker(found.name, found.scales[len(found.scales) // 2], 1.0),)
    return tuple(WeightedRanker(one.name, one.scales[len(one.scales) // 2], 1.0 / len(rankers)) for one in rankers)


def graded_scores(
    ranker: Ranker,
    encoded: EncodedWorks,
    images: Images,
    left_out: Int64[np.ndarray, " image"] | None = None,
    on_progress: Callable[[int], object] = lambda _done: None,
) -> SummedScores:
    """Standardised scores for some images, summed over the units that each member saw.

    ``left_out``: per image, a unit without a score, -1 for none; the sums of members that saw it
    mean nothing.
    """
    step = images_at_once(encoded.index, len(ranker.scales), IMAGES_TOGETHER)
    seen_units = encoded.membership[encoded.index.present].sum(axis=0)
    parts = []
    for start in range(0, len(images), step):
        part = images.part(slice(start, start + step))
        query = ranker.prepare(part, encoded.source)
        scanned = scan(
            query,
            encoded.source.pixels,
            len(part),
            len(ranker.scales),
            encoded.index,
            1,
            encoded.membership,
            None if left_out is None else left_out[start : start + step],
        )
        parts.append(scanned.standardised_seen(seen_units))
        on_progress(len(part))
    return SummedScores(ranker.name, tuple(ranker.scales), np.concatenate(parts).transpose(1, 0, 2))


def graded_samples(registry: Registry, ensemble: ServingEnsemble) -> GradedImages:
    """The unaltered samples of these members."""
    values, names, texts, losses = [], [], [], []
    settings = ensemble.settings.image
    with registry.session() as session:
        samples = [row for row in samples_of(session, ensemble.id) if row.members_sha256 == ensemble.members_sha256]
    for sample in samples[: Ranker.most_graded]:
        if altered_file(registry.home, sample) is None:
            predictions, image = load_sample(registry.home.sample_tensors(sample.id))
            values.append(image.reshape(-1))
            names.append(frozenset({sample.id, sample.image_sha256}))
            texts.append(sample.label)
            losses.append(predictions.member_loss)
    shape = (settings.channels, settings.size, settings.size)
    images = np.asarray(values, dtype=np.float32).reshape(len(values), math.prod(shape))
    member_loss = np.asarray(losses, dtype=np.float64).reshape(len(values), len(ensemble.indices))
    return GradedImages(Images(images, shape, tuple(names), tuple(texts)), member_loss)
