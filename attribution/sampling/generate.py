"""Generating samples, and keeping all that repeating them needs.

Samples are computed in batches of a fixed number of rows, filled up with copies: a convolution may
round differently at another batch size, and a sample regenerated alone must give the same pixels.
"""

from __future__ import annotations

import datetime
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from attribution.denoisers.ensemble import Ensemble
from attribution.engines.device import Device, run_tasks
from attribution.ensemble.recipe import versions_of
from attribution.ensemble.serving import ServingEnsemble, open_ensemble
from attribution.images import to_pixels
from attribution.sampling.noise import noise_batch, noise_sha256
from attribution.sampling.predictions import MemberPredictions, looks_at_once, renoise_together, save_predictions
from attribution.sampling.requests import Request, parts, sample_id_of, stored_request
from attribution.sampling.sampler import NO_RANGE, sample, saturated_fraction
from attribution.sampling.schedule import SamplerSettings
from registry.errors import CapacityError, IntegrityError, UsageError
from registry.event_log.events import changing
from registry.home import Home, write_bytes_atomically
from registry.ids import sha256_of_file
from registry.members.serving import service_status
from registry.outputs.queries import check_subject
from registry.storage import tables
from registry.storage.database import Registry


@dataclass(frozen=True)
class SampleTask:
    """A batch of samples under one sampler and guidance, for one worker."""

    home: Home
    ensemble: ServingEnsemble
    sampler: SamplerSettings
    requests: tuple[Request, ...]
    sample_ids: tuple[str, ...]
    device: str


@dataclass(frozen=True)
class GeneratedSample:
    """A worker's result for one sample; the files are written."""

    sample_id: str
    noise_sha256: str
    image_sha256: str
    tensors_sha256: str
    saturated_fraction: float


def generate_samples(
    registry: Registry,
    ensemble: ServingEnsemble,
    requests: Sequence[Request],
    sampler: SamplerSettings,
    device: Device,
    on_progress: Callable[[int], object] = lambda _: None,
) -> Iterator[tables.Sample]:
    """Generate one sample per request and register each finished batch.

    Registered samples are yielded as they are; lost or altered files are generated again.

    Raises:
        UsageError: the ensemble does not know a prompt, or a seed is out of range.
        CapacityError: works were withdrawn meanwhile, and members went out of service.
        IntegrityError: a member was altered, or a lost sample cannot be reproduced.
    """
    if sampler.train_steps != ensemble.settings.training.train_steps:
        raise UsageError("the sampler's schedule is not the one that the members were trained with")
    if sampler.clip and ensemble.settings.network.latent:
        raise UsageError(NO_RANGE)
    ensemble.settings.conditions([request.prompt for request in requests])
    missing = {sample_id_of(ensemble, request.seed, sampler, request.prompt): request for request in requests}
    with registry.session() as session:
        known = {key: found for key in missing if (found := session.get(tables.Sample, key)) is not None}
    for key, found in known.items():
        asked = {"ensemble_id": ensemble.id, "members_sha256": ensemble.members_sha256, "seed": missing[key].seed}
        asked |= stored_request(sampler, missing[key].prompt)
        check_subject("sample", key, {name: getattr(found, name) for name in asked}, asked)
    present = [found for found in known.values() if altered_file(registry.home, found) is None]
    on_progress(len(present))
    yield from present
    for found in present:
        del missing[found.id]
    home = Home(registry.home.root.resolve())
    rows = ensemble.settings.network.rows_at_once(device.name)
    tasks = [
        SampleTask(
            home=home,
            ensemble=ensemble,
            sampler=sampler,
            requests=tuple(request for _, request in part),
            sample_ids=tuple(key for key, _ in part),
            device=device.name,
        )
        for part in parts(missing.items(), lambda item: item[1].prompt.guidance, rows)
    ]
    if tasks:
        registry.check_writable()
    versions = versions_of(device.name)
    for _, batch in run_tasks(generate_batch, tasks, device, lambda _, done: on_progress(done)):
        rows_made = [_row(ensemble, sampler, missing[generated.sample_id], generated, versions) for generated in batch]
        with changing(registry, datetime.datetime.now(datetime.UTC)) as change:
            # Inside this transaction no other process can record a withdrawal.
            _check_service(registry, ensemble)
            for row in rows_made:
                # Another process may have generated the same sample meanwhile.
                if row.id not in known and not change.has("sample", row.id):
                    change.insert(row)
                    change.record(
                        "output generated",
                        f"sample {row.id}",
                        after={"seed": row.seed, "image_sha256": row.image_sha256},
                    )
                    change.seal("sample", row.id)
        with registry.session() as session:
            registered = [session.get_one(tables.Sample, row.id) for row in rows_made]
        for recorded, row in zip(registered, rows_made, strict=True):
            yield _restored(recorded, row)


def _check_service(registry: Registry, ensemble: ServingEnsemble) -> None:
    """Refuse samples of members that went out of service while they were generated."""
    serving = {member.id for member in service_status(registry, ensemble.id).serving}
    if not serving.issuperset(ensemble.member_ids):
        raise CapacityError(
            f"works that members of ensemble {ensemble.id} saw were withdrawn in the meantime; "
            "run the same command again to generate with the members in service"
        )


def _restored(registered: tables.Sample, again: tables.Sample) -> tables.Sample:
    """The registered sample, if the new files equal the registered ones."""
    if (registered.image_sha256, registered.tensors_sha256) != (again.image_sha256, again.tensors_sha256):
        raise IntegrityError(
            f"sample {registered.id} cannot be restored: it came out differently from what was registered "
            "(another machine or version?); restore its files from a copy"
        )
    return registered


def _row(
    ensemble: ServingEnsemble,
    sampler: SamplerSettings,
    request: Request,
    generated: GeneratedSample,
    versions: dict[str, str],
) -> tables.Sample:
    return tables.Sample(
        id=generated.sample_id,
        ensemble_id=ensemble.id,
        seed=request.seed,
        **stored_request(sampler, request.prompt),
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
    y, noise = draw(task.ensemble, ensemble, task.sampler, task.requests, task.device)
    results = []
    looked = _looked_at(task, ensemble, y)
    for row, (sample_id, predictions) in enumerate(zip(task.sample_ids, looked, strict=True)):
        picture, tensors = task.home.sample_image(sample_id), task.home.sample_tensors(sample_id)
        write_bytes_atomically(picture, png_bytes(to_pixels(y[row : row + 1])[0].cpu().numpy()))
        save_predictions(tensors, predictions, output=y[row].cpu().numpy())
        results.append(
            GeneratedSample(
                sample_id=sample_id,
                noise_sha256=noise_sha256(noise[row]),
                image_sha256=sha256_of_file(picture),
                tensors_sha256=sha256_of_file(tensors),
                saturated_fraction=float(saturated_fraction(y[row : row + 1])[0]),
            )
        )
        report(1)
    return results


def _looked_at(
    task: SampleTask, ensemble: Ensemble, y: Float[Tensor, "row channel height width"]
) -> Iterator[MemberPredictions]:
    """The members' predictions of each sample, in order."""
    requests = [*task.requests, *[task.requests[-1]] * (len(y) - len(task.requests))]
    condition = task.ensemble.settings.conditions([request.prompt for request in requests], task.device)
    seeds = [request.seed for request in requests]
    images, at_once = y.clamp(-1.0, 1.0), looks_at_once(len(y))
    found = renoise_together(ensemble, images, task.sampler, seeds, condition, at_once)
    # Further rows of y are copies.
    return islice(found, len(task.requests))


def draw(
    served: ServingEnsemble,
    ensemble: Ensemble,
    sampler: SamplerSettings,
    requests: Sequence[Request],
    device: str,
) -> tuple[Float[Tensor, "row channel height width"], Float[Tensor, "row draw channel height width"]]:
    """Y and noise of a batch of requests; further rows of both are copies of the last request."""
    noise = batch_noise(served, [request.seed for request in requests], sampler, device)
    prompts = [request.prompt for request in requests]
    condition = served.settings.conditions([*prompts, *[prompts[-1]] * (len(noise) - len(prompts))], device)
    return sample(ensemble, noise, sampler, condition=condition), noise


def batch_noise(
    ensemble: ServingEnsemble, seeds: Sequence[int], sampler: SamplerSettings, device: str
) -> Float[Tensor, "row draw channel height width"]:
    """The noise of a batch, filled up to the fixed number of rows with copies of the last."""
    network = ensemble.settings.network
    filled = [*seeds, *[seeds[-1]] * (network.rows_at_once(device) - len(seeds))]
    return noise_batch(filled, sampler.draws, network.shape).to(device)


def png_bytes(pixels: np.ndarray) -> bytes:
    """Height x width x channel bytes as a PNG file without metadata."""
    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()


def altered_file(home: Home, row: tables.Sample) -> str | None:
    """How a sample's files differ from the registered ones; None: intact."""
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
