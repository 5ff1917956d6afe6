"""Training one member, in a worker process, on the works whose bit is set and nothing else.

The finished member is a folder that appears by one rename: config.json and weights as its kind
stores them, the manifest, and the list of works that it saw. :mod:`attribution.training.loop` has
the training itself.
"""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from attribution.denoisers.interface import Member
from attribution.ensemble.recipe import EnsembleSettings, versions_of
from attribution.ensemble.serving import manifest_encoding
from attribution.process_pool import Device
from attribution.training.dataset import open_training_set
from attribution.training.loop import CHECKPOINT_SECONDS, TrainingRun
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
from registry.members.register import last_withdrawal
from registry.members.serving import service_status
from registry.storage.database import Registry
from registry.withdrawals.record import cover_later_works


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


def task_values(registry: Registry, ensemble_id: str, device: Device, checkpoint_seconds: float) -> dict[str, Any]:
    """The fields of a :class:`TrainingTask` that leaves out every work withdrawn up to now."""
    cover_later_works(registry, datetime.datetime.now(datetime.UTC))
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


def train_member(task: MemberTask, report: Callable[[int], None]) -> Path:
    """Train one member, or resume from its checkpoint, and return its folder.

    ``report`` gets the number of steps just done; steps of an earlier run are reported at once.
    """
    folder = task.home.member(task.member_id)
    works = open_training_set(task.home.training(task.ensemble_id))
    rows = np.flatnonzero(works.seen_by(task.index, task.encoding.n) & ~works.listed_in(task.left_out))
    hashes = [works.hashes[row] for row in rows]
    if _is_finished(folder, hashes):
        report(task.settings.training.steps)
        return folder
    run = TrainingRun(task.settings, works, rows, task.index, task.device)
    checkpoint = folder.with_name(checkpoint_name(task.member_id))
    run.complete(checkpoint, report, task.checkpoint_seconds)
    publish(task, run.member, hashes, folder, Manifest, index=task.index, generation=task.generation)
    checkpoint.unlink(missing_ok=True)
    return folder


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
