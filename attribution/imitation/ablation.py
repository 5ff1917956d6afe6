"""The same samples again, by the members that saw none of the imitated artist's works.

What the images lose is what training on the artist added: the seeds, the noise, the prompt and all
other works stay. Fewer members also make other images, whoever is left out. So the *control* leaves
out as many members at random, among whom are not all that saw the artist.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int64, UInt8

from attribution.engines.device import Device, run_tasks
from attribution.ensemble.serving import NOT_ITS_MEMBERS, ServingEnsemble, ensembles_that_served, open_ensemble
from attribution.images import to_pixels
from attribution.sampling.generate import batch_noise
from attribution.sampling.requests import batches_by_request
from attribution.sampling.sampler import sample
from registry.encodings.store import load_codes
from registry.errors import IntegrityError
from registry.home import Home
from registry.members.seen import units_seen, withdrawn_works
from registry.storage import tables
from registry.storage.database import Registry

TRIES = 1000
"""Random sets of members to draw before there is said to be no control."""


@dataclass(frozen=True)
class WithoutArtist:
    """The samples of one artist again; pictures by the sample's id."""

    members_left: int
    not_measured: str | None
    without: dict[str, UInt8[np.ndarray, "height width channel"]]
    control: dict[str, UInt8[np.ndarray, "height width channel"]]
    """Empty: every choice of as many members leaves out those that saw the artist."""


@dataclass(frozen=True)
class _Task:
    home: Home
    served: ServingEnsemble
    rows: tuple[tables.Sample, ...]
    left_out: tuple[Bool[np.ndarray, " member"], ...]
    """The members that saw the artist; then, if there is one, the control's."""
    device: str


def without_artists(
    registry: Registry,
    rows_of: Mapping[str, Sequence[tables.Sample]],
    works_of: Mapping[str, Int64[np.ndarray, " work"]],
    seed: int,
    device: Device,
    advance: Callable[[int, int], object] = lambda _done, _total: None,
) -> dict[str, WithoutArtist]:
    """Generate each artist's samples again, without the artist and as a control.

    Args:
        registry: with the samples.
        rows_of: by artist, the samples that are meant to imitate the artist.
        works_of: by artist, the ids of all works of the artist.
        seed: of the control.
        device: where the members run.
        advance: gets (pictures made now, pictures in all).

    Raises:
        IntegrityError: a sample's members are not on record, or were altered.
    """
    found: dict[str, WithoutArtist] = {}
    tasks: list[tuple[str, _Task]] = []
    home = Home(registry.home.root.resolve())
    for number, (artist, rows) in enumerate(rows_of.items()):
        parts = []
        left, reason = math.inf, None
        for served, own in ensembles_that_served(registry, rows):
            if served is None:
                raise IntegrityError(f"sample {own[0].id}: {NOT_ITS_MEMBERS}; restore the registry from a copy")
            saw = _members_that_saw(registry, served, works_of[artist])
            left = min(left, int((~saw).sum()))
            if not saw.any():
                reason = "no member that made the images saw a work of the artist"
            elif saw.all():
                reason = (
                    f"each of the {len(saw)} members saw works of the artist: encode by artist, or within artists, so that "
                    "members are left"
                )
            control = _other_members(saw, np.random.default_rng((seed, number)))
            left_out = (saw,) if control is None else (saw, control)
            at_once = served.settings.network.rows_at_once(device.name)
            for _, _, part in batches_by_request(own, at_once):
                parts.append(_Task(home, served, tuple(part), left_out, device.name))
        found[artist] = WithoutArtist(int(left), reason, {}, {})
        if reason is None:
            tasks += [(artist, task) for task in parts]
    total = sum(len(task.rows) * len(task.left_out) for _, task in tasks)
    made = run_tasks(_generate, [task for _, task in tasks], device, lambda _, done: advance(done, total))
    for place, pictures in made:
        artist, task = tasks[place]
        kinds = (found[artist].without, found[artist].control)
        for kind, pixels in zip(kinds, pictures, strict=False):
            kind.update({row.id: picture for row, picture in zip(task.rows, pixels, strict=False)})
    return found


def _members_that_saw(
    registry: Registry, served: ServingEnsemble, works: Int64[np.ndarray, " work"]
) -> Bool[np.ndarray, " member"]:
    """Which of the members saw a unit that has some of the works."""
    units = load_codes(registry, served.encoding.id)
    with registry.connection() as connection:
        withdrawn = withdrawn_works(connection, served.encoding.id)
    seen = units_seen(units, withdrawn, served.indices, served.withdrawals_applied_through)
    numbers = np.unique(units.unit_numbers[np.isin(units.asset_ids, works)])
    return np.asarray(seen[numbers].any(axis=0))


def _other_members(
    saw: Bool[np.ndarray, " member"], generator: np.random.Generator
) -> Bool[np.ndarray, " member"] | None:
    """As many members at random, so that one that saw the artist is left; None: there is no such
    choice.
    """
    if not 0 < saw.sum() < len(saw):
        return None
    for _ in range(TRIES):
        drawn = np.zeros(len(saw), dtype=np.bool_)
        drawn[generator.permutation(len(saw))[: int(saw.sum())]] = True
        if (saw & ~drawn).any():
            return drawn
    return None


def _generate(task: _Task, report: Callable[[int], None]) -> list[UInt8[np.ndarray, "row height width channel"]]:
    """The pictures of a batch under one sampler and prompt, without each set of members."""
    [(sampler, prompt, rows)] = batches_by_request(task.rows, len(task.rows))
    ensemble = open_ensemble(task.home, task.served, task.device)
    noise = batch_noise(task.served, [row.seed for row in rows], sampler, task.device)
    condition = task.served.settings.condition(prompt, len(noise), task.device)
    found = []
    for left_out in task.left_out:
        weights = torch.from_numpy(~left_out / (~left_out).sum())
        y = sample(ensemble, noise, sampler, weights=weights, condition=condition)
        found.append(to_pixels(y[: len(rows)]).cpu().numpy())
        report(len(rows))
    return found
