"""Calibration of an ensemble's evidence: its power, and its behaviour under the null.

- Power: training works are audited as outside images. How often is the work found?
- Null: audits under codes that are redrawn after training, so that every code is wrong. P-values
  must be uniform and discoveries rare.

Measured audits have the settings of an :class:`attribution.audit.auditor.Auditor`. Members'
predictions are kept as for any audit, so an interrupted run continues where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from attribution.audit.auditor import Auditor
from attribution.audit.record import AuditSettings, Subject
from attribution.audit.shortlist_test import serving_of
from attribution.evidence.adjustment import Neighbours, neighbours_of
from attribution.evidence.look_alikes import drawn_together
from attribution.evidence.randomisation import Evidence, assess_units, has_contrast, mean_predictions
from attribution.metrics.statistics import Share, share_of, uniformity
from attribution.sampling.generate import altered_file
from attribution.sampling.image_predictions import predictions_of
from attribution.sampling.predictions import load_sample
from attribution.training.dataset import open_training_set, training_labels
from registry.encodings.assignment import Assignment
from registry.errors import UsageError
from registry.outputs.queries import samples_of
from registry.storage import tables

Progress = Callable[[int, int], object]
"""Gets (work just done, work in all)."""
FEWEST_REDRAWS = 100


@dataclass(frozen=True)
class PlantedPower:
    """Outcome of audits of training works as outside images."""

    found: Share
    """Their units reached the false discovery rate."""
    found_first: Share
    """Their units reached it, and no other unit had a smaller p-value."""
    ranked_first: Share
    shortlisted: Share
    works: int
    """Number of testable training works."""
    false_discovery_rate: float
    p_values: tuple[float, ...]
    """P-values of the shortlisted planted works, ascending."""

    def to_json(self) -> dict[str, Any]:
        """Facts for a report."""
        shown = self.found.total
        return {
            "method": "training works, re-noised and audited as images from outside; Clopper-Pearson intervals",
            "false_discovery_rate": self.false_discovery_rate,
            "works": self.works,
            "shown": shown,
            "chosen": "all of them" if shown == self.works else f"{shown} of them at random",
            "found": self.found.to_json(),
            "found_first": self.found_first.to_json(),
            "ranked_first": self.ranked_first.to_json(),
            "shortlisted": self.shortlisted.to_json(),
            "median_p": float(np.median(self.p_values)) if self.p_values else {"not_measured": "none was shortlisted"},
        }


def planted_power(
    auditor: Auditor, count: int, seed: int = 0, on_progress: Progress = lambda _done, _total: None
) -> PlantedPower:
    """Audit ``count`` random training works as outside images; all works, if there are fewer.

    Raises:
        UsageError: ``count`` is less than 1, or no work can be tested.
    """
    encoded, settings = auditor.context.encoded, auditor.context.settings
    testable = np.flatnonzero([int(unit) not in encoded.not_testable for unit in encoded.unit_of_work])
    if count < 1 or not len(testable):
        raise UsageError(f"{count} of {len(testable)} works to plant: expected at least one")
    chosen = np.sort(np.random.default_rng(seed).permutation(testable)[:count])
    ensemble = auditor.context.ensemble
    stored = open_training_set(auditor.context.registry.home.training(ensemble.id))
    labels = training_labels(ensemble.settings, stored, [encoded.hashes[row] for row in chosen])
    pictures = encoded.pictures(chosen).reshape(len(chosen), *encoded.shape)
    tasks = [
        auditor.prediction_task(encoded.hashes[row], picture, label)
        for row, picture, label in zip(chosen, pictures, labels, strict=True)
    ]
    auditor.measure_predictions(tasks, on_progress)
    places, p_values, q_values, beaten = [], [], [], []
    for row, task, picture in zip(chosen, tasks, pictures, strict=True):
        subject = Subject.of_image(encoded.hashes[row], encoded.hashes[row], task.label)
        found = auditor.examine(subject, predictions_of(task), picture)
        place = np.flatnonzero(found.shortlisted.unit_numbers == encoded.unit_of_work[row])
        places.append(int(place[0]) if len(place) else -1)
        p_values.append(float(found.evidence.p_value[place[0]]) if len(place) else np.nan)
        q_values.append(float(found.evidence.q_value[place[0]]) if len(place) else np.nan)
        beaten.append(bool((found.evidence.p_value < p_values[-1]).any()))
    passes = np.array(q_values) <= settings.false_discovery_rate
    return PlantedPower(
        found=share_of(passes),
        found_first=share_of(passes & ~np.array(beaten)),
        ranked_first=share_of(np.array(places) == 0),
        shortlisted=share_of(np.array(places) >= 0),
        works=len(testable),
        false_discovery_rate=settings.false_discovery_rate,
        p_values=tuple(sorted(p for p in p_values if not np.isnan(p))),
    )


@dataclass(frozen=True)
class NullCalibration:
    """Outcome of tests under redrawn codes."""

    redraws: int
    images: int
    decoys: int
    distance: float
    """Kolmogorov-Smirnov distance of the first-ranked units' p-values from uniform."""
    uniformity_p: float
    small: Share
    """Share of first-ranked units with p <= 0.05."""
    discoveries: Share
    """Share of audits with a discovery: the false discovery rate, as all units are null."""
    main_sources: Share
    """Share of audits that name a main source."""
    matters: Share
    """Share of audits that name a main source, or a unit that contributes."""
    false_discovery_rate: float
    main_source: float
    contributes: float
    """Thresholds of the lower end of the effect."""

    @property
    def more_than_allowed_p(self) -> float:
        """Probability of at least as many discoveries at the allowed rate."""
        return self.discoveries.more_than_p(self.false_discovery_rate)

    def to_json(self) -> dict[str, Any]:
        """Facts for a report."""
        return {
            "method": "audits of this ensemble's samples under redrawn codes; Kolmogorov-Smirnov distance of the p-values "
            "from uniform, compared with simulated ranks; Clopper-Pearson intervals. The shortlist is made once, so a "
            "ranker that uses the true codes is not detected",
            "redraws": self.redraws,
            "images": self.images,
            "decoys": self.decoys,
            "kolmogorov_smirnov_distance": self.distance,
            "kolmogorov_smirnov_p": self.uniformity_p,
            "p_at_most_0.05": self.small.to_json(),
            "false_discovery_rate": self.false_discovery_rate,
            "audits_with_a_discovery": self.discoveries.to_json(),
            "audits_with_a_main_source": self.main_sources.to_json(),
            "audits_with_a_unit_that_matters": self.matters.to_json(),
            "main_source": self.main_source,
            "contributes": self.contributes,
            "more_discoveries_than_allowed_p": self.more_than_allowed_p,
        }


class UnderWrongCodes(NamedTuple):
    """What one audit finds where all codes are wrong: everything is false."""

    small: bool
    """The first-ranked unit has p <= 0.05."""
    discovery: bool
    main_source: bool
    matters: bool
    """It names a main source, or a unit that contributes."""

    @classmethod
    def of(cls, found: Evidence, settings: AuditSettings) -> UnderWrongCodes:
        """By the rate and the thresholds of an audit."""
        passes = found.q_value <= settings.false_discovery_rate
        return cls(
            small=bool(found.p_value[0] <= 0.05),
            discovery=bool(passes.any()),
            main_source=bool((passes & (found.effects.low >= settings.main_source)).any()),
            matters=bool((passes & (found.effects.low >= settings.contributes)).any()),
        )

    @staticmethod
    def shares(outcomes: Sequence[UnderWrongCodes]) -> dict[str, Share]:
        """Over several audits, by the names of :meth:`NullCalibration.to_json`."""
        small, discovery, main_source, matters = (share_of(column) for column in np.array(outcomes, dtype=np.bool_).T)
        return {
            "p_at_most_0.05": small,
            "audits_with_a_discovery": discovery,
            "audits_with_a_main_source": main_source,
            "audits_with_a_unit_that_matters": matters,
        }


def null_calibration(
    auditor: Auditor, redraws: int = 1000, seed: int = 0, on_progress: Progress = lambda _done, _total: None
) -> NullCalibration:
    """Audit samples under ``redraws`` new assignments of codes, all wrong for every member.

    One p-value is taken per assignment: p-values of one assignment are dependent, assignments are
    independent.

    Two failures are not detected. The shortlist is made once and does not change with the redrawn
    codes, so a ranker that uses the true codes (a file of supplied scores may) passes. Members are
    not retrained, so a unit's effects on the training of other works are not seen.

    Raises:
        UsageError: the ensemble has no samples, or ``redraws`` is too small.
    """
    if redraws < FEWEST_REDRAWS:
        raise UsageError(f"{redraws} redraws: expected at least {FEWEST_REDRAWS}")
    prepared = [_Shortlist.of(auditor, sample) for sample in kept_samples(auditor)[:redraws]]
    if not prepared:
        raise UsageError(f"ensemble {auditor.context.ensemble.id} has no samples: run `creditline sample` first")
    settings = auditor.context.settings
    seeds = np.random.default_rng(seed).integers(0, 2**62, redraws)
    ranks, outcomes, places = [], [], 0
    for redraw, code_seed in enumerate(seeds.tolist()):
        listed = prepared[redraw % len(prepared)]
        found = listed.test(auditor, auditor.context.assignment.dealt_anew(code_seed), redraw)
        on_progress(1, redraws)
        if found is None:
            continue
        # With members out of service, the number of decoys varies between redraws; the grid of
        # p-values is that of the largest number.
        places = max(places, found.decoy_statistic.shape[1] + 1)
        ranks.append(found.p_value[0])
        outcomes.append(UnderWrongCodes.of(found, settings))
    shares = UnderWrongCodes.shares(outcomes)
    distance, uniform_p = uniformity(np.ceil(np.array(ranks) * places - 1e-9).astype(np.int64), places, seed)
    return NullCalibration(
        redraws=redraws,
        images=len(prepared),
        decoys=places - 1,
        distance=distance,
        uniformity_p=uniform_p,
        small=shares["p_at_most_0.05"],
        discoveries=shares["audits_with_a_discovery"],
        main_sources=shares["audits_with_a_main_source"],
        matters=shares["audits_with_a_unit_that_matters"],
        false_discovery_rate=settings.false_discovery_rate,
        main_source=settings.main_source,
        contributes=settings.contributes,
    )


def kept_samples(auditor: Auditor) -> list[tables.Sample]:
    """Unaltered samples by the members now in service, in the order of their generation."""
    context = auditor.context
    with context.registry.session() as session:
        rows = samples_of(session, context.ensemble.id)
    made = [row for row in rows if row.members_sha256 == context.ensemble.members_sha256]
    return [row for row in made if altered_file(context.registry.home, row) is None]


@dataclass(frozen=True)
class _Shortlist:
    """The parts of one sample's shortlist that do not depend on the codes."""

    units: Int64[np.ndarray, " unit"]
    images: Float64[np.ndarray, "unit value"]
    predictions: Float64[np.ndarray, "member value"]
    neighbours: Neighbours
    look_alikes: tuple[Int64[np.ndarray, " place"], ...]

    @classmethod
    def of(cls, auditor: Auditor, sample: tables.Sample) -> _Shortlist:
        predictions, image = load_sample(auditor.context.registry.home.sample_tensors(sample.id))
        found = auditor.examine(Subject.of_sample(sample), predictions, image)
        neighbours = neighbours_of(auditor.context.encoded, image.reshape(-1), found.neighbours)
        return cls(
            found.shortlisted.unit_numbers,
            found.shortlisted.images,
            mean_predictions(predictions),
            neighbours,
            found.look_alikes,
        )

    def test(self, auditor: Auditor, dealt: Assignment, draw_seed: int) -> Evidence | None:
        """The evidence under codes dealt anew; None: no code is left to test."""
        ensemble = auditor.context.ensemble
        membership = ensemble.membership_of(dealt.codes[self.units])
        kept = has_contrast(membership)
        if not kept.any():
            return None
        limit = auditor.context.settings.decoy_limit
        words = dealt.decoys(self.units[kept], limit, draw_seed, serving_of(ensemble)).words
        others = ensemble.membership_of(words.ravel()).reshape(*words.shape, -1)
        if not others.size:
            return None
        redrawn = ensemble.membership_of(dealt.codes[self.neighbours.units])
        neighbours = Neighbours(self.neighbours.units, self.neighbours.images, redrawn)
        units, place = self.units[kept], np.cumsum(kept) - 1
        groups = [place[group[kept[group]]] for group in self.look_alikes if kept[group].sum() > 1]
        together = drawn_together(
            groups, units, dealt, words.shape[-1], serving_of(ensemble), ensemble.membership_of, draw_seed
        )
        return assess_units(self.predictions, self.images[kept], membership[kept], others, neighbours, units, together)
