"""Training members, in a worker process, each on the works whose bit is set and nothing else.

The finished member is a folder that appears by one rename: config.json and weights as its kind
stores them, the manifest, and the list of works that it saw. :mod:`attribution.training.loop` has
the training itself.
"""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64

from attribution.denoisers.interface import Member
from attribution.engines.device import Device
from attribution.ensemble.recipe import EnsembleSettings, versions_of
from attribution.ensemble.serving import manifest_encoding
from attribution.training.dataset import TrainingSet, open_training_set
from attribution.training.loop import CHECKPOINT_SECONDS, TrainingData, TrainingRun, complete
from registry.errors import ReadOnlyRegistryError
from registry.home import Home, write_folder_atomically
from registry.ids import sha256_of_file
from registry.members.manifest import (
    CONFIG_NAME,
    MANIFEST_NAME,
    WEIGHTS_NAME,
    WORKS_NAME,
    Manifest,
    ManifestEncoding,
    ManifestWorks,
    TrainingManifest,
    works_listing,
)
from registry.members.register import last_withdrawal, member_id
from registry.members.serving import service_status
from registry.storage.database import Registry
from registry.storage.job_lock import only_one
from registry.withdrawals.record import cover_later_works, has_later_works


@dataclass(frozen=True, kw_only=True)
class TrainingTask:
    """A worker's values for training any model of an ensemble; see :func:`task_values`."""

    home: Home
    ensemble_id: str
    encoding: ManifestEncoding
    settings: EnsembleSettings
    device: str = "cpu"
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    withdrawn_through: int | None = None
    """The last withdrawal before this training; None: no withdrawal."""
    left_out: tuple[str, ...] = ()
    """SHA-256 of the works withdrawn so far."""


@dataclass(frozen=True, kw_only=True)
class MemberTask(TrainingTask):
    """A worker's values for training one member."""

    member_id: str
    index: int
    generation: int = 1
    into: Home | None = None
    """Where the member's folder goes, laid out as a home; None: into the home itself."""


def task_values(registry: Registry, ensemble_id: str, device: Device, checkpoint_seconds: float) -> dict[str, Any]:
    """The fields of a :class:`TrainingTask` that leaves out every work withdrawn up to now.

    Raises:
        ReadOnlyRegistryError: works came after the withdrawal of their rightsholder, and the
            registry is open for reading only, so the withdrawal that covers them cannot be
            recorded.
    """
    if not registry.read_only:
        cover_later_works(registry, datetime.datetime.now(datetime.UTC))
    elif has_later_works(registry):
        raise ReadOnlyRegistryError(
            "works came after the withdrawal of their rightsholder, and no withdrawal on record covers them: run the "
            "`creditline train --plan-only` of these members again, which records one, and then this job"
        )
    through = last_withdrawal(registry)
    service = service_status(registry, ensemble_id)
    return {
        "home": Home(registry.home.root.resolve()),
        "ensemble_id": ensemble_id,
        "encoding": manifest_encoding(service.encoding),
        "settings": EnsembleSettings.of(registry, service.ensemble),
        "device": device.name,
        "checkpoint_seconds": checkpoint_seconds,
        "withdrawn_through": through,
        "left_out": tuple(service.withdrawn.hashes(~service.withdrawn.seen_by(None, through))),
    }


def train_members(group: Sequence[MemberTask], report: Callable[[int], None]) -> list[Path]:
    """Train members of one ensemble together, or resume from checkpoints; return their folders.

    ``report`` gets the number of steps that all members did since the last call; steps of an
    earlier run are reported at once.
    """
    first = group[0]
    works = open_training_set(first.home.training(first.ensemble_id))
    left = ~works.listed_in(first.left_out)
    trainings = [_Training.of(task, works, left) for task in group]
    waiting = [training for training in trainings if not _is_finished(training.folder, training.hashes)]
    if not waiting:
        report(first.settings.training.steps)
    else:
        rows = np.unique(np.concatenate([training.rows for training in waiting]))
        data = TrainingData.of(first.settings, works, rows, first.device)
        runs = {training.checkpoint: training.run(works, data) for training in waiting}
        complete(runs, report, first.checkpoint_seconds)
        for training in waiting:
            training.publish(runs[training.checkpoint].member)
    return [training.folder for training in trainings]


@dataclass(frozen=True)
class _Training:
    """One member's training."""

    task: MemberTask
    rows: Int64[np.ndarray, " work"]
    hashes: list[str]
    """SHA-256 of the works in these rows."""

    @classmethod
    def of(cls, task: MemberTask, works: TrainingSet, left: Bool[np.ndarray, " work"]) -> _Training:
        rows = np.flatnonzero(works.seen_by(task.index, task.encoding.n) & left)
        return cls(task, rows, [works.hashes[row] for row in rows])

    @property
    def folder(self) -> Path:
        return (self.task.into or self.task.home).member(self.task.member_id)

    @property
    def checkpoint(self) -> Path:
        return self.folder.with_name(checkpoint_name(self.task.member_id))

    def run(self, works: TrainingSet, data: TrainingData) -> TrainingRun:
        return TrainingRun(self.task.settings, works, self.rows, self.task.index, self.task.device, data)

    def publish(self, member: Member) -> None:
        further = {"index": self.task.index, "generation": self.task.generation}
        publish(self.task, member, self.hashes, self.folder, Manifest, **further)
        self.checkpoint.unlink(missing_ok=True)


def train_member(task: MemberTask, report: Callable[[int], None]) -> Path:
    """Train one member, see :func:`train_members`."""
    return train_members([task], report)[0]


def _is_finished(folder: Path, hashes: list[str]) -> bool:
    """Whether a killed run left a trained member of these works; any other is removed."""
    manifest = folder / MANIFEST_NAME
    if manifest.is_file() and Manifest.parse(manifest.read_bytes(), str(manifest)).works == ManifestWorks.of(hashes):
        return True
    shutil.rmtree(folder, ignore_errors=True)
    return False


def checkpoint_name(name: str) -> str:
    """Name of the checkpoint beside a folder."""
    return f".{name}.checkpoint.safetensors"


def member_alone(place: Home, ensemble_id: str, index: int) -> AbstractContextManager[None]:
    """Hold a member's lock in the home that its folder goes into, so that one process trains it.

    Raises:
        LockedRegistryError: another process does.
    """
    key = member_id(ensemble_id, index)
    return only_one(place, f"member-{key}", f"member {key} is being trained")


def clear_remains(place: Home, key: str, *, finished: bool = False) -> None:
    """Remove the partial files and folders that killed runs left of a member.

    ``finished``: also the checkpoint, since the member is registered.
    """
    checkpoint = checkpoint_name(key)
    folder = place.member(key).parent
    for part in (*folder.glob(f".{key}.*.part"), *folder.glob(f".{checkpoint}.*.part")):
        shutil.rmtree(part, ignore_errors=True)
        part.unlink(missing_ok=True)
    if finished:
        (folder / checkpoint).unlink(missing_ok=True)


def publish(
    task: TrainingTask,
    member: Member,
    hashes: Sequence[str],
    folder: Path,
    manifest: type[TrainingManifest],
    **further: object,
) -> None:
    """Write a trained network's folder, with its list of works and its manifest, by one rename.

    ``hashes``: SHA-256 of the works that the network saw. ``further``: the fields that the class
    ``manifest`` adds to :class:`TrainingManifest`.
    """

    def write(part: Path) -> None:
        task.settings.network.save_member(member.to("cpu"), part)
        (part / WORKS_NAME).write_bytes(works_listing(hashes))
        facts: dict[str, object] = {
            "ensemble_id": task.ensemble_id,
            "encoding": task.encoding,
            "withdrawn_through": task.withdrawn_through,
            "works": ManifestWorks.of(hashes),
            "settings": task.settings.to_json(),
            "seed": task.settings.training.seed,
            "versions": versions_of(task.device),
            "weights_sha256": sha256_of_file(part / WEIGHTS_NAME),
            "config_sha256": sha256_of_file(part / CONFIG_NAME),
            "created_at": datetime.datetime.now(datetime.UTC),
        }
        (part / MANIFEST_NAME).write_bytes(manifest.model_validate(facts | further).to_json())

    write_folder_atomically(folder, write)
