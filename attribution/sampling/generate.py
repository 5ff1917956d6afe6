"""Generating samples, and keeping what is needed to generate them again.

Samples are computed in batches of a fixed number of rows, filled up where fewer are wanted: a
convolution may round differently at another batch size, and a sample regenerated alone must give
the same pixels.
"""

from __future__ import annotations

import datetime
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

from attribution.ensemble.handle import EnsembleReference, open_ensemble
from attribution.ensemble.recipe import EnsembleSettings, versions_of
from attribution.process_pool import Device, run_tasks
from attribution.sampling.noise import noise_batch, noise_sha256
from attribution.sampling.predictions import renoise, save_contrasts
from attribution.sampling.sampler import SamplerSettings, sample, saturated_fraction, to_pixels
from attribution.sampling.schedule import schedule_of
from registry.errors import CapacityError, IntegrityError, UsageError
from registry.event_log.events import changing
from registry.home import Home, write_bytes_atomically
from registry.ids import content_id, sha256_of_file
from registry.members.serving import service_of
from registry.storage import tables
from registry.storage.database import Registry


@dataclass(frozen=True)
class SampleTask:
    """A batch of samples for one worker: at most :func:`rows_on` of one label."""

    home: Home
    ensemble: EnsembleReference
    sampler: SamplerSettings
    seeds: tuple[int, ...]
    sample_ids: tuple[str, ...]
    label: str | None
    device: str


@dataclass(frozen=True)
class GeneratedSample:
    """What a worker tells its parent of one sample; the files are in place."""

    sample_id: str
    seed: int
    noise_sha256: str
    image_sha256: str
    tensors_sha256: str
    saturated_fraction: float


def rows_on(device: str) -> int:
    """Rows of a batch: few on a CPU, where a core is busy with one, many on a GPU."""
    return 4 if device == "cpu" else 64


def default_sampler(settings: EnsembleSettings) -> SamplerSettings:
    """The sampler with the default steps, on the schedule that the members were trained with."""
    return schedule_of(settings.training)


def sample_id_of(ensemble: EnsembleReference, seed: int, sampler: SamplerSettings, label: str | None) -> str:
    """A sample is its ensemble, the members that serve it, seed, sampler and label; the same
    request is the same sample.
    """
    request = {"ensemble": ensemble.id, "members": ensemble.members_sha256, "seed": seed}
    return content_id("sample", {**request, "sampler": sampler.to_json(), "label": label})


def generate_samples(
    registry: Registry,
    ensemble: EnsembleReference,
    seeds: Sequence[int],
    sampler: SamplerSettings,
    label: str | None,
    device: Device,
    on_progress: Callable[[int], object] = lambda _: None,
) -> Iterator[tables.Sample]:
    """Generate one sample per seed and register each batch as it is done.

    Those that are registered already are yielded as they are; if their files were lost or altered,
    they are made again.

    Raises:
        UsageError: a label that the ensemble does not know, or a seed out of range.
        CapacityError: works were withdrawn while this ran, so that the members may not serve any
            more.
        IntegrityError: a member was altered, or a lost sample does not come out as it was
            registered.
    """
    if sampler.train_steps != ensemble.settings.training.train_steps:
        raise UsageError("the sampler's schedule is not the one that the members were trained with")
    ensemble.settings.class_number(label)
    wanted = {sample_id_of(ensemble, seed, sampler, label): seed for seed in seeds}
    with registry.session() as session:
        known = {key: found for key in wanted if (found := session.get(tables.Sample, key)) is not None}
    present = [found for found in known.values() if altered_file(registry.home, found) is None]
    on_progress(len(present))
    yield from present
    for found in present:
        del wanted[found.id]
    items, rows = list(wanted.items()), rows_on(device.name)
    home = Home(registry.home.root.resolve())
    tasks = [
        SampleTask(
            home=home,
            ensemble=ensemble,
            sampler=sampler,
            seeds=tuple(seed for _, seed in part),
            sample_ids=tuple(key for key, _ in part),
            label=label,
            device=device.name,
        )
        for part in (items[start : start + rows] for start in range(0, len(items), rows))
    ]
    versions = versions_of(device.name)
    for _, batch in run_tasks(generate_batch, tasks, device, lambda _, done: on_progress(done)):
        rows_made = [_row(ensemble, sampler, label, generated, versions) for generated in batch]
        with changing(registry, datetime.datetime.now(datetime.UTC)) as change:
            # While this is open no other process can record a withdrawal.
            _check_service(registry, ensemble)
            for row in rows_made:
                if row.id not in known:
                    change.insert(row)
                    change.record(
                        "output generated",
                        f"sample {row.id}",
                        after={"seed": row.seed, "image_sha256": row.image_sha256},
                    )
                    change.seal("sample", row.id)
        for row in rows_made:
            yield _restored(known[row.id], row) if row.id in known else row


def _check_service(registry: Registry, ensemble: EnsembleReference) -> None:
    """A long run must not outlast a withdrawal: what was made by members out of service is not
    handed out.
    """
    serving = {member.id for member in service_of(registry, ensemble.id).serving}
    if not serving.issuperset(ensemble.member_ids):
        raise CapacityError(
            f"works that members of ensemble {ensemble.id} saw were withdrawn in the meantime; "
            "run the same command again to generate by the members that are left"
        )


def _restored(registered: tables.Sample, again: tables.Sample) -> tables.Sample:
    """The registered sample, whose lost or altered files were made again."""
    if (registered.image_sha256, registered.tensors_sha256) != (again.image_sha256, again.tensors_sha256):
        raise IntegrityError(
            f"sample {registered.id} cannot be restored: it came out differently from what was registered "
            "(another machine or version?); restore its files from a copy"
        )
    return registered


def _row(
    ensemble: EnsembleReference,
    sampler: SamplerSettings,
    label: str | None,
    generated: GeneratedSample,
    versions: dict[str, str],
) -> tables.Sample:
    return tables.Sample(
        id=generated.sample_id,
        ensemble_id=ensemble.id,
        seed=generated.seed,
        label=label,
        sampler=sampler.to_json(),
        members=list(ensemble.indices),
        members_sha256=ensemble.members_sha256,
        noise_sha256=generated.noise_sha256,
        image_sha256=generated.image_sha256,
        tensors_sha256=generated.tensors_sha256,
        saturated_fraction=generated.saturated_fraction,
        versions=versions,
        created_at=datetime.datetime.now(datetime.UTC),
    )


def generate_batch(task: SampleTask, report: Callable[[int], None]) -> list[GeneratedSample]:
    """Draw the samples of one task, write their files, and return their hashes."""
    ensemble = open_ensemble(task.home, task.ensemble, task.device)
    noise = batch_noise(task.ensemble, task.seeds, task.sampler, task.device)
    label = task.ensemble.settings.class_number(task.label)
    y = sample(ensemble, noise, task.sampler, labels=batch_labels(label, noise))
    results = []
    for row, (sample_id, seed) in enumerate(zip(task.sample_ids, task.seeds, strict=True)):
        image = y[row].clamp(-1.0, 1.0)
        contrasts = renoise(ensemble, image, task.sampler, seed, label)
        picture, tensors = task.home.sample_image(sample_id), task.home.sample_tensors(sample_id)
        write_bytes_atomically(picture, png_bytes(to_pixels(y[row : row + 1])[0].cpu().numpy()))
        save_contrasts(tensors, contrasts, output=y[row].cpu().numpy())
        results.append(
            GeneratedSample(
                sample_id=sample_id,
                seed=seed,
                noise_sha256=noise_sha256(noise[row]),
                image_sha256=sha256_of_file(picture),
                tensors_sha256=sha256_of_file(tensors),
                saturated_fraction=float(saturated_fraction(y[row : row + 1])[0]),
            )
        )
        report(1)
    return results


def batch_noise(
    ensemble: EnsembleReference, seeds: Sequence[int], sampler: SamplerSettings, device: str
) -> Float[Tensor, "row draw channel height width"]:
    """The noise of a batch, filled up to the fixed number of rows with copies of its last
    sample.
    """
    filled = [*seeds, *[seeds[-1]] * (rows_on(device) - len(seeds))]
    image = ensemble.settings.image
    return noise_batch(filled, sampler.draws, (image.channels, image.size, image.size)).to(device)


def batch_labels(label: int | None, noise: Tensor) -> Int[Tensor, " row"] | None:
    """One label for every row."""
    return None if label is None else torch.full((len(noise),), label, dtype=torch.int64, device=noise.device)


def png_bytes(pixels: np.ndarray) -> bytes:
    """Height x width x channel bytes as a PNG file without metadata."""
    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()


def altered_file(home: Home, row: tables.Sample) -> str | None:
    """Why a sample's files are not those that were registered, or None when they are."""
    for path, registered in (
        (home.sample_image(row.id), row.image_sha256),
        (home.sample_tensors(row.id), row.tensors_sha256),
    ):
        try:
            found = sha256_of_file(path)
        except OSError as error:
            return f"{path} cannot be read: {error.strerror}"
        if found != registered:
            return f"{path} was altered (SHA-256 {found[:12]}, registered {registered[:12]})"
    return None
