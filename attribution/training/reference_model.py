"""The reference model of an ensemble: one denoiser of the members' recipe, trained on all works.

The ranker gradients (:mod:`attribution.ranking.rankers.gradients`) differentiates a model that saw
every work. A member saw a part of the works, and its code says which part; a ranker must not know
codes, and the reference model has no bit in them. Withdrawn works are left out. The training is
that of members, with the start and draws of members with common draws; a killed run resumes to the
same weights.

    train_reference_model(registry, ensemble_id, device)
    open_reference_model(registry, ensemble_id)         # for the ranker
"""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import nn

from attribution.denoisers.interface import Prompt
from attribution.denoisers.space import Condition, Space
from attribution.engines.device import Device, run_tasks
from attribution.ensemble.recipe import EnsembleSettings
from attribution.sampling.schedule import SamplerSettings, schedule_of
from attribution.training.dataset import build_training_set, open_training_set
from attribution.training.loop import CHECKPOINT_SECONDS, TrainingRun
from attribution.training.member import TrainingTask, checkpoint_name, publish, task_values
from registry.errors import CapacityError, InputError, IntegrityError, MissingPartError, UsageError
from registry.ids import sha256_of
from registry.members.manifest import ReferenceFolder, ReferenceManifest, read_reference_folder
from registry.members.reference_models import record_reference, usable_reference
from registry.members.register import expected_works
from registry.members.serving import service_status
from registry.storage.database import Registry
from registry.storage.job_lock import only_one

UNTRAINED_SEED = 0
"""Of the start of :func:`untrained_model`."""


@dataclass(frozen=True)
class ReferenceModel:
    """A trained reference model, ready to be differentiated."""

    denoiser: nn.Module
    """eps = f(x_t, t, condition), trained on all works; parameters that training left fixed, such
    as a base's, take no gradient."""
    weights_sha256: str
    schedule: SamplerSettings
    snr_cap: float
    space: Space = field(default_factory=Space)
    """The space of x_t."""
    condition: Callable[[Sequence[str | None]], Condition | None] = lambda _texts: None
    """The condition of a batch by its texts; None: the model is unconditional."""
    adapters: bool = False
    """Whether it is an adapter on a frozen base."""


@dataclass(frozen=True, kw_only=True)
class ReferenceTask(TrainingTask):
    """A worker's values for training a reference model."""

    @property
    def folder(self) -> Path:
        return self.home.reference_model(self.ensemble_id)

    @property
    def checkpoint(self) -> Path:
        return self.folder.with_name(checkpoint_name(self.ensemble_id))


@dataclass(frozen=True)
class TrainedReference:
    """A usable reference model, and whether this call trained it."""

    folder: ReferenceFolder
    trained: bool


def train_reference_model(
    registry: Registry,
    ensemble_id: str,
    device: Device,
    on_reading: Callable[[int, int], object] = lambda _done, _total: None,
    on_progress: Callable[[int], object] = lambda _steps: None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> TrainedReference:
    """Train an ensemble's reference model, unless it has a usable one.

    A model that saw withdrawn works, or that was altered, is removed first. ``on_reading`` gets
    (works read now, works in all) if the training set has to be built, ``on_progress`` the number
    of steps just done.

    Raises:
        NotFoundError: no such ensemble.
        UsageError: the ensemble is conditional.
        CapacityError: every work was withdrawn.
        MissingPartError: works were withdrawn during the training.
        IntegrityError: a work was altered since it was registered, or the folder before it was
            recorded.
        LockedRegistryError: another process trains it.
    """
    service = service_status(registry, ensemble_id)
    settings = EnsembleSettings.of(registry, service.ensemble, training=True)
    if _needs_a_label(settings):
        raise UsageError(_no_classes(ensemble_id, settings))
    registry.check_writable()
    busy = f"the reference model of ensemble {ensemble_id} is being trained"
    with only_one(registry.home, f"reference-{ensemble_id}", busy):
        standing = _standing(registry, ensemble_id)
        if standing is not None:
            return TrainedReference(standing, trained=False)
        build_training_set(registry, ensemble_id, service.encoding.id, settings, on_reading)
        task = _task(registry, ensemble_id, device, checkpoint_seconds)
        _clear(task)
        for _ in run_tasks(train_reference, [task], device, lambda _task, steps: on_progress(steps)):
            pass
        record_reference(registry, read_reference_folder(task.folder), datetime.datetime.now(datetime.UTC))
        # Kept until the model is on record, so that a kill costs only the steps since the
        # checkpoint.
        task.checkpoint.unlink(missing_ok=True)
        return TrainedReference(usable_reference(registry, ensemble_id), trained=True)


def _standing(registry: Registry, ensemble_id: str) -> ReferenceFolder | None:
    """The recorded model, if it is usable."""
    try:
        return usable_reference(registry, ensemble_id)
    except (MissingPartError, InputError, IntegrityError):
        return None


def _task(registry: Registry, ensemble_id: str, device: Device, checkpoint_seconds: float) -> ReferenceTask:
    """The training's values, without the works withdrawn up to now."""
    task = ReferenceTask(**task_values(registry, ensemble_id, device, checkpoint_seconds))
    if not expected_works(registry, task.encoding.id, None, task.withdrawn_through):
        raise CapacityError(f"every work of encoding {task.encoding.id} was withdrawn: there is none to train on")
    return task


def _clear(task: ReferenceTask) -> None:
    """Remove the unusable model, features computed with it, and partial files."""
    shutil.rmtree(task.folder, ignore_errors=True)
    for part in task.folder.parent.glob(f".*{task.ensemble_id}.*.part"):
        shutil.rmtree(part, ignore_errors=True)
        part.unlink(missing_ok=True)
    for features in task.home.training(task.ensemble_id).glob("features-gradients-*.npy"):
        features.unlink(missing_ok=True)


def train_reference(task: ReferenceTask, report: Callable[[int], None]) -> Path:
    """Train a reference model, or resume from its checkpoint, in a worker; returns its folder.

    ``report`` gets the number of steps just done; steps of an earlier run are reported at once.
    """
    works = open_training_set(task.home.training(task.ensemble_id))
    rows = np.flatnonzero(~works.listed_in(task.left_out))
    run = TrainingRun(task.settings, works, rows, None, task.device)
    run.complete(task.checkpoint, report, task.checkpoint_seconds)
    run.save(task.checkpoint)
    publish(task, run.member, [works.hashes[row] for row in rows], task.folder, ReferenceManifest)
    return task.folder


def open_reference_model(registry: Registry, ensemble_id: str) -> ReferenceModel:
    """The reference model, ready to be differentiated on works of the ensemble's training set.

    Raises:
        NotFoundError: no such ensemble.
        MissingPartError: no model, a model that saw withdrawn works, or the ensemble needs a label.
        InputError: its manifest cannot be understood.
        IntegrityError: its files differ from the recorded ones, or from the ensemble's settings.
    """
    settings = EnsembleSettings.of(registry, service_status(registry, ensemble_id).ensemble)
    if _needs_a_label(settings):
        raise MissingPartError(_no_classes(ensemble_id, settings))
    found = usable_reference(registry, ensemble_id)
    denoiser = settings.network.load_member(found.path, trainable=True)
    return _model(settings, denoiser, found.manifest.weights_sha256)


def has_reference_model(registry: Registry, ensemble_id: str) -> bool:
    """Whether a usable reference model is on record.

    Raises:
        NotFoundError: no such ensemble.
        InputError: its manifest cannot be understood.
        IntegrityError: its files differ from the recorded ones.
    """
    try:
        usable_reference(registry, ensemble_id)
    except MissingPartError:
        return False
    return True


def untrained_model(settings: EnsembleSettings) -> ReferenceModel:
    """An adapter before its training, which predicts what its base predicts; it saw no work."""
    named = sha256_of({"untrained": settings.network.to_json(), "seed": UNTRAINED_SEED})
    return _model(settings, settings.network.new_member(UNTRAINED_SEED), named)


def is_adapter(settings: EnsembleSettings) -> bool:
    """Whether members are adapters on a frozen base."""
    return settings.network.to_json().get("base") is not None


def _model(settings: EnsembleSettings, denoiser: nn.Module, weights_sha256: str) -> ReferenceModel:
    return ReferenceModel(
        denoiser,
        weights_sha256,
        schedule_of(settings.training),
        settings.training.snr_cap,
        settings.network,
        lambda texts: settings.network.condition([Prompt(text) for text in texts], settings.classes),
        is_adapter(settings),
    )


def _needs_a_label(settings: EnsembleSettings) -> bool:
    """Whether the models were never trained under the empty condition."""
    return settings.label_column is not None and not settings.network.dropout


def _no_classes(ensemble_id: str, settings: EnsembleSettings) -> str:
    return (
        f"ensemble {ensemble_id} is conditional on {settings.label_column!r}, and the ranker gradients, for which a reference "
        "model is trained, knows no classes: rank with other rankers"
    )
