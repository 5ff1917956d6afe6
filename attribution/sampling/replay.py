"""Replay: generate samples again from their rows and compare the pixels with the kept files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image
from sqlmodel import select

from attribution.denoisers.interface import Prompt
from attribution.ensemble.serving import NOT_ITS_MEMBERS, ServingEnsemble, ensembles_that_served, open_ensemble
from attribution.images import to_pixels
from attribution.process_pool import Device, run_tasks
from attribution.sampling.generate import altered_file, batch_noise, batches_by_request
from attribution.sampling.noise import noise_sha256
from attribution.sampling.sampler import sample
from attribution.sampling.schedule import SamplerSettings
from registry.errors import InputError, IntegrityError
from registry.home import Home
from registry.members.register import check_member
from registry.storage import tables
from registry.storage.database import Registry
from registry.works.queries import find_by_prefix

ROUNDING = 2
"""Largest accepted difference, of 255, between two machines' pixels of one picture."""


Condition = Literal["identical", "reproduced", "differs", "altered"]


@dataclass(frozen=True)
class Verification:
    """The outcome for one sample."""

    sample_id: str
    condition: Condition
    """``identical``: same pixels. ``reproduced``: within rounding. ``differs``: another picture.
    ``altered``: a file differs from the registered one, and nothing was regenerated."""
    detail: str
    largest_difference: int | None
    """Over all pixels, of 255."""


@dataclass(frozen=True)
class VerifyTask:
    """Samples of one ensemble, sampler and prompt to generate again."""

    home: Home
    ensemble: ServingEnsemble
    sampler: SamplerSettings
    prompt: Prompt
    rows: tuple[tables.Sample, ...]
    device: str


def verify_batch(task: VerifyTask, report: Callable[[int], None]) -> list[Verification]:
    """Generate samples again from their rows; compare them with their files, pixel by pixel."""
    noise = batch_noise(task.ensemble, [row.seed for row in task.rows], task.sampler, task.device)
    condition = task.ensemble.settings.condition(task.prompt, len(noise), task.device)
    ensemble = open_ensemble(task.home, task.ensemble, task.device)
    y = sample(ensemble, noise, task.sampler, condition=condition)
    pixels = to_pixels(y).cpu().numpy().astype(np.int16)
    report(len(task.rows))
    return [_compared(task.home, row, noise_sha256(noise[index]), pixels[index]) for index, row in enumerate(task.rows)]


def _compared(home: Home, row: tables.Sample, noise_hash: str, found: np.ndarray) -> Verification:
    if noise_hash != row.noise_sha256:
        return Verification(row.id, "differs", "the seed no longer gives the noise that was registered", None)
    with Image.open(home.sample_image(row.id), formats=["PNG"]) as image:
        kept = np.asarray(image, dtype=np.int16).reshape(found.shape)
    difference = int(np.abs(found - kept).max())
    if difference == 0:
        return Verification(row.id, "identical", "regenerated: same pixels", 0)
    if difference <= ROUNDING:
        return Verification(row.id, "reproduced", f"regenerated: pixels agree within {difference} of 255", difference)
    return Verification(row.id, "differs", f"regenerated: pixels differ by up to {difference} of 255", difference)


def verify_samples(
    registry: Registry, served: ServingEnsemble, rows: Sequence[tables.Sample], device: Device
) -> Iterator[Verification]:
    """Verify samples that these members served; altered ones are reported, not regenerated."""
    intact = []
    for row in rows:
        reason = altered_file(registry.home, row)
        if row.members_sha256 != served.members_sha256:
            reason = NOT_ITS_MEMBERS
        if reason is not None:
            yield Verification(row.id, "altered", reason, None)
        else:
            intact.append(row)
    at_once, home = served.settings.network.rows_at_once(device.name), Home(registry.home.root.resolve())
    tasks = [
        VerifyTask(home, served, sampler, prompt, tuple(part), device.name)
        for sampler, prompt, part in batches_by_request(intact, at_once)
    ]
    try:
        with registry.session() as session:
            members = [session.get_one(tables.Member, key) for key in served.member_ids]
        for member in members:
            check_member(home.member(member.id), member)
    except (IntegrityError, InputError) as error:
        yield from (Verification(row.id, "altered", str(error), None) for task in tasks for row in task.rows)
        return
    for _, verified in run_tasks(verify_batch, tasks, device):
        yield from verified


def verify_named(registry: Registry, prefixes: Sequence[str] | None, device: Device) -> Iterator[Verification]:
    """Verify the samples with these id prefixes, or all samples, ensemble by ensemble.

    A sample is generated by the members that served it, including members of former generations.

    Raises:
        NotFoundError: no sample has such an id.
        UsageError: several samples have the prefix.
    """
    with registry.session() as session:
        if prefixes is None:
            rows = list(session.exec(select(tables.Sample).order_by(tables.Sample.id)))
        else:
            rows = [find_by_prefix(session, tables.Sample, prefix) for prefix in prefixes]
    for served, own in ensembles_that_served(registry, rows):
        if served is None:
            yield from (Verification(row.id, "altered", NOT_ITS_MEMBERS, None) for row in own)
            continue
        found = {item.sample_id: item for item in verify_samples(registry, served, own, device)}
        yield from (found[row.id] for row in own)
