"""Audits: where does an image come from? Three layers, each with its own part of the record.

1. Ranking, blind to the codes: possible sources (:mod:`attribution.ranking.shortlist`).
2. Testing, by randomisation: is the effect real? (:mod:`attribution.evidence.randomisation`)
3. Showing, by exact ablation: the image without each work (:mod:`attribution.ablation.exact`).

In addition, the influence of every unit on a sample, the papers' own measure, is estimated from one
Jacobian or measured by ablating every unit. An audit's id is a hash of its subject, settings and
ensemble: a second run finds the recorded audits and computes the missing ones.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64

from attribution.audit.record import (
    AuditContext,
    AuditSettings,
    Findings,
    Subject,
    artefact_is_intact,
    audit_id_of,
    record_audit,
    recorded_audit,
)
from attribution.audit.shortlist_test import shown_decoys, tested
from attribution.audit.worker import (
    AuditTask,
    SampleAudit,
    run_audit_task,
)
from attribution.denoisers.interface import Prompt
from attribution.engines.device import Device, run_tasks
from attribution.ensemble.serving import ServingEnsemble
from attribution.images import pixels_of, read_image, to_unit_range
from attribution.metrics.euclidean import NotMeasured
from attribution.metrics.lpips_weights import LpipsWeights
from attribution.metrics.perceptual import openable
from attribution.ranking.encoded_works import load_encoded_works
from attribution.ranking.given_images import given_images
from attribution.ranking.grading import grade_rankers, graded_samples
from attribution.ranking.rankers.interface import Images
from attribution.ranking.recorded_choice import UsedRankers, ranker_inputs, rankers_to_use
from attribution.ranking.shortlist import shortlists_for
from attribution.sampling.generate import altered_file
from attribution.sampling.image_predictions import (
    PredictionTask,
    measure_predictions,
    prediction_task,
    predictions_of,
)
from attribution.sampling.predictions import MemberPredictions, load_sample
from attribution.sampling.requests import batches_by_request
from attribution.seen.answer import Seen, seen_of
from attribution.seen.asking import Asker, Shown
from attribution.training.dataset import build_training_set
from registry.encodings.store import load_codes
from registry.errors import IntegrityError, UsageError
from registry.home import Home
from registry.storage import tables
from registry.storage.database import Registry

EXAMINED_AT_ONCE = 64
"""Samples ranked in one pass over the works and ablated together; changes memory alone."""
NO_LPIPS = NotMeasured("the audit did not ask for it")


@dataclass(frozen=True)
class Auditor:
    """Audits of one ensemble under one set of settings."""

    context: AuditContext
    device: Device

    @classmethod
    def prepare(
        cls,
        registry: Registry,
        ensemble: ServingEnsemble,
        settings: AuditSettings,
        device: Device,
        used: UsedRankers | None = None,
        lpips: LpipsWeights | NotMeasured = NO_LPIPS,
    ) -> Auditor:
        """Open the works, draw the decoys, and grade the rankers, unless a kept choice exists.

        ``used``: None: the rankers kept with the ensemble, or the default ones. ``lpips``: see
        :func:`attribution.metrics.lpips_weights.lpips_weights`.

        Raises:
            IntegrityError: a work was altered since it was registered.
            UsageError: no code is left to test with.
            MissingPartError: a part that a kept ranker needs is missing.
        """
        encoding = ensemble.encoding
        training_set = build_training_set(registry, ensemble.id, encoding.id, ensemble.settings)
        encoded = load_encoded_works(registry, ensemble, training_set)
        assignment = load_codes(registry, encoding.id).assignment
        drawn = shown_decoys(ensemble, assignment, settings.decoy_limit)
        inputs = ranker_inputs(registry, ensemble, device=device.name)
        used = used or rankers_to_use(registry, ensemble.id, (), inputs)
        choices = used.choices
        if choices is None:
            # An audit pays for no further predictions: of the works it takes those measured before.
            given = given_images(registry, ensemble, encoded, training_set, device, measure=False)
            choices = grade_rankers(used.rankers, encoded, graded_samples(registry, ensemble), given).choices
        lpips = openable(lpips)
        settings = replace(settings, lpips=None if isinstance(lpips, NotMeasured) else lpips.backbone.net)
        return cls(
            AuditContext(
                registry,
                ensemble,
                settings,
                encoded,
                used.rankers,
                choices,
                assignment,
                drawn,
                device.name,
                lpips,
                used.chosen,
            ),
            device,
        )

    def audit_samples(
        self, samples: Sequence[tables.Sample], on_progress: Callable[[int, int], object] = lambda _done, _total: None
    ) -> Iterator[tables.Audit]:
        """Audit samples of this ensemble; recorded audits are yielded as they are.

        ``on_progress`` gets (work just done, work in all), the latter estimated from the samples
        ranked so far.

        Raises:
            IntegrityError: a sample or member was altered.
            UsageError: a sample is of another ensemble.
        """
        new: list[tables.Sample] = []
        for sample in {row.id: row for row in samples}.values():
            self._check_ensemble(sample)
            subject = Subject.of_sample(sample)
            found = self._recorded(subject)
            if found is not None:
                yield found
                continue
            reason = altered_file(self.context.registry.home, sample)
            if reason is not None:
                raise IntegrityError(f"sample {sample.id}: {reason}; generate it again or leave it out")
            new.append(sample)
        if new:
            self.context.registry.check_writable()
        work = 0
        for start in range(0, len(new), EXAMINED_AT_ONCE):
            part = new[start : start + EXAMINED_AT_ONCE]
            findings = {sample.id: found for sample, found in zip(part, self._examine_samples(part), strict=True)}
            # A multiple of the workers, so that no worker idles while the last task runs.
            rounds = math.ceil(len(part) / (self._rows_at_once() * self.device.workers))
            rows = math.ceil(len(part) / (rounds * self.device.workers))
            units = {key: found.shortlisted.unit_numbers for key, found in findings.items()}
            tasks = self.ablation_tasks(part, units, rows)
            work += sum(task.work for task in tasks)
            report = partial(self._report, on_progress, work * len(new) // (start + len(part)))
            for _, results in run_tasks(run_audit_task, tasks, self.device, report):
                for counterfactuals in results:
                    yield record_audit(self.context, findings.pop(counterfactuals.sample_id), counterfactuals)

    @staticmethod
    def _report(on_progress: Callable[[int, int], object], total: int, _task: int, done: int) -> None:
        on_progress(done, total)

    def audit_images(
        self,
        paths: Sequence[Path],
        label: str | None,
        on_progress: Callable[[int, int], object] = lambda _done, _total: None,
    ) -> Iterator[tables.Audit]:
        """Audit outside image files: ranking, and tests on noised copies; no counterfactuals.

        ``paths``: those of :func:`attribution.images.check_images`.

        Raises:
            InputError: a file is not an image.
            UsageError: the ensemble does not know the label.
        """
        self.context.ensemble.settings.condition(Prompt(label))
        for start in range(0, len(paths), EXAMINED_AT_ONCE):
            part = [self._shown(path, label) for path in paths[start : start + EXAMINED_AT_ONCE]]
            self.measure_predictions([task for _, task, _ in part], partial(self._report_part, on_progress, len(paths)))
            for subject, task, pixels in part:
                found = self._recorded(subject)
                if found is None:
                    findings = self.examine(subject, predictions_of(task), pixels)
                    found = record_audit(self.context, replace(findings, seen=self._seen(subject, pixels)), None)
                yield found

    @cached_property
    def asker(self) -> Asker:
        """Asks whether these models saw an image itself."""
        context = self.context
        return Asker(
            registry=context.registry,
            ensemble=context.ensemble,
            encoded=context.encoded,
            assignment=context.assignment,
            rankers=context.rankers,
            decoy_limit=context.settings.decoy_limit,
            device=self.device,
        )

    def _seen(self, subject: Subject, pixels: np.ndarray) -> Seen:
        shown = Shown(subject.image_sha256, pixels, subject.label)
        return seen_of(self.asker, shown)

    @staticmethod
    def _report_part(on_progress: Callable[[int, int], object], total: int, done: int, _part: int) -> None:
        on_progress(done, total)

    def _shown(self, path: Path, label: str | None) -> tuple[Subject, PredictionTask, np.ndarray]:
        image, sha256 = read_image(path)
        pixels = np.moveaxis(to_unit_range(pixels_of(image, self.context.ensemble.settings.image)), -1, 0)
        return Subject.of_image(path.name, sha256, label), self.prediction_task(sha256, pixels, label), pixels

    def prediction_task(
        self, sha256: str, pixels: Float[np.ndarray, "channel height width"], label: str | None
    ) -> PredictionTask:
        """A measurement of predictions on an outside image: file's hash, pixels in [0, 1]."""
        home, ensemble = self.context.registry.home, self.context.ensemble
        return prediction_task(home, ensemble, self.device.name, sha256, pixels, label)

    def measure_predictions(
        self, tasks: Sequence[PredictionTask], on_progress: Callable[[int, int], object] = lambda _done, _total: None
    ) -> None:
        """Measure missing predictions; ``on_progress`` gets (images just done, images in all)."""
        if not all(task.measured for task in tasks):
            self.context.registry.check_writable()
        measure_predictions(tasks, self.device, on_progress)

    def _check_ensemble(self, sample: tables.Sample) -> None:
        ensemble = self.context.ensemble
        if (sample.ensemble_id, sample.members_sha256) != (ensemble.id, ensemble.members_sha256):
            raise UsageError(
                f"sample {sample.id} was generated by ensemble {sample.ensemble_id} with members {sample.members_sha256[:12]}, "
                f"not by {ensemble.id} with {ensemble.members_sha256[:12]}: audit the samples of one ensemble at a time"
            )

    def _recorded(self, subject: Subject) -> tables.Audit | None:
        """The recorded audit of a subject, if its artefact is intact."""
        found = recorded_audit(self.context, audit_id_of(self.context, subject), subject)
        return found if found is not None and artefact_is_intact(self.context, found) else None

    def examine(self, subject: Subject, predictions: MemberPredictions, image: np.ndarray) -> Findings:
        """Layers 1 and 2 of an image in [0, 1]; neither needs a network."""
        return self.examine_together([(subject, predictions, image)])[0]

    def examine_together(self, shown: Sequence[tuple[Subject, MemberPredictions, np.ndarray]]) -> list[Findings]:
        """Layers 1 and 2 of several images of one kind, in one pass over the works."""
        begun = time.monotonic()
        (kind,) = {subject.kind for subject, _, _ in shown}
        listed = shortlists_for(
            self.context.rankers,
            self.context.encoded,
            Images(
                np.stack([image.reshape(-1) for _, _, image in shown]).astype(np.float32),
                self.context.encoded.shape,
                tuple(subject.names for subject, _, _ in shown),
                tuple(subject.label for subject, _, _ in shown),
            ),
            self.context.choices.of(kind).parts,
            self.context.settings.shortlist,
            self.context.settings.works_per_candidate,
        )
        share = (time.monotonic() - begun) / len(shown)
        return [
            tested(self.context, subject, predictions, image, found, share)
            for (subject, predictions, image), found in zip(shown, listed, strict=True)
        ]

    def _examine_samples(self, samples: Sequence[tables.Sample]) -> list[Findings]:
        shown = []
        for sample in samples:
            predictions, image = load_sample(self.context.registry.home.sample_tensors(sample.id))
            shown.append((Subject.of_sample(sample), predictions, image))
        return self.examine_together(shown)

    def ablation_tasks(
        self,
        samples: Sequence[tables.Sample],
        units: Mapping[str, Int64[np.ndarray, " candidate"]],
        rows: int | None = None,
        *,
        settings: AuditSettings | None = None,
    ) -> list[AuditTask]:
        """Tasks for workers that generate samples again without units.

        ``units``: by sample id, the numbers of the units to leave out, one at a time. ``rows``:
        samples per task, at most; None: as many as the kind of denoiser samples at once.
        ``settings``: the measurements to make; None: the measurements of the audits.
        """
        settings = settings or self.context.settings
        membership = self.context.encoded.membership
        return [
            AuditTask(
                home=Home(self.context.registry.home.root.resolve()),
                ensemble=self.context.ensemble,
                sampler=sampler,
                prompt=prompt,
                samples=tuple(SampleAudit(row.id, row.seed, membership[units[row.id]]) for row in part),
                everyone=membership if settings.exact else membership[:0],
                with_jacobian=settings.jacobian and sampler.serve == "mean",
                device=self.device.name,
                jacobian_members=settings.jacobian_members,
                lpips=self.context.lpips
                if settings.lpips and not isinstance(self.context.lpips, NotMeasured)
                else None,
            )
            for sampler, prompt, part in batches_by_request(samples, rows or self._rows_at_once())
        ]

    def _rows_at_once(self) -> int:
        return self.context.ensemble.settings.network.rows_at_once(self.device.name)
