"""Joint ablation: one sample without several units at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor

from attribution.ablation.exact import joint_ablation_weights
from attribution.engines.device import Device, run_tasks
from attribution.ensemble.serving import NOT_ITS_MEMBERS, ServingEnsemble, ensembles_that_served, open_ensemble
from attribution.images import to_pixels
from attribution.metrics.euclidean import NotMeasured, euclidean
from attribution.metrics.lpips_weights import LpipsWeights
from attribution.metrics.perceptual import open_lpips
from attribution.sampling.generate import altered_file, batch_noise, png_bytes
from attribution.sampling.requests import request_of
from attribution.sampling.sampler import sample
from registry.encodings.store import UnitTable, load_units
from registry.errors import IntegrityError, NotFoundError, UsageError
from registry.home import Home
from registry.members.seen import units_seen, withdrawn_works
from registry.storage import tables
from registry.storage.database import Registry
from registry.withdrawals.record import works_of_rightsholder
from registry.works.queries import find_by_prefix


@dataclass(frozen=True)
class JointAblation:
    """A sample without some units."""

    sample_id: str
    labels: tuple[str, ...]
    survivors: tuple[int, ...]
    """Indices of the members that saw none of the units."""
    influence: float
    """Scaled Euclidean distance from the sample, both before clipping."""
    lpips: float | NotMeasured
    """LPIPS from the sample, both before clipping."""
    png: bytes


@dataclass(frozen=True)
class _Task:
    home: Home
    ensemble: ServingEnsemble
    row: tables.Sample
    membership: np.ndarray
    device: str
    lpips: LpipsWeights | NotMeasured


def ablate_sample(
    registry: Registry,
    prefix: str,
    names: Sequence[str],
    device: Device,
    lpips: LpipsWeights | NotMeasured,
    rightsholder_id: int | None = None,
) -> JointAblation:
    """Generate a sample again, under its own noise, without the named units.

    ``lpips``: see :func:`attribution.metrics.lpips_weights.lpips_weights`. ``rightsholder_id``:
    the units of all works of this rightsholder are left out, too. Where codes nest, these works lie
    in one support, and the members outside it are left.

    Raises:
        NotFoundError: no such sample or unit.
        UsageError: a name fits several.
        CapacityError: no member is left; says how many units the encoding can lose at once.
        IntegrityError: the sample or a member was altered.
    """
    with registry.session() as session:
        row = find_by_prefix(session, tables.Sample, prefix)
    reason = altered_file(registry.home, row)
    if reason is not None:
        raise IntegrityError(f"sample {row.id}: {reason}")
    [(served, _)] = ensembles_that_served(registry, [row])
    if served is None:
        raise IntegrityError(f"sample {row.id}: {NOT_ITS_MEMBERS}; restore the registry from a copy")
    units = load_units(registry, served.encoding.id)
    with registry.connection() as connection:
        theirs = [] if rightsholder_id is None else works_of_rightsholder(connection, rightsholder_id)
        withdrawn = withdrawn_works(connection, served.encoding.id)
    of_works = units.unit_numbers[np.isin(units.asset_ids, theirs)]
    numbers = sorted({unit_named(units, name) for name in names} | set(of_works.tolist()))
    if not numbers:
        raise NotFoundError(f"encoding {units.encoding.id} has no work of this rightsholder: nothing to leave out")
    seen = units_seen(units, withdrawn, served.indices, served.withdrawals_applied_through)
    membership = seen[numbers]
    joint_ablation_weights(membership)
    task = _Task(Home(registry.home.root.resolve()), served, row, membership, device.name, lpips)
    [(_, (influence, perceptual, png))] = run_tasks(_ablate, [task], device)
    return JointAblation(
        sample_id=row.id,
        labels=tuple(units.labels[number] for number in numbers),
        survivors=tuple(served.indices[place] for place in np.flatnonzero(~membership.any(axis=0))),
        influence=influence,
        lpips=perceptual,
        png=png,
    )


def unit_named(units: UnitTable, name: str) -> int:
    """The number of the unit that has this label or this number.

    Raises:
        NotFoundError: no such unit.
        UsageError: several units have the label.
    """
    found = [number for number, label in enumerate(units.labels) if label == name]
    if len(found) > 1:
        numbers = ", ".join(str(number) for number in found[:8]) + (", …" if len(found) > 8 else "")
        raise UsageError(
            f"{len(found)} units are called {name!r}, numbers {numbers}: give the number of one (`audit` shows it)"
        )
    if found:
        return found[0]
    if name.isascii() and name.isdecimal() and int(name) < len(units.labels):
        return int(name)
    raise NotFoundError(
        f"no unit {name!r} in encoding {units.encoding.id}: expected a label or an id from 0 to {len(units.labels) - 1}"
    )


def _ablate(task: _Task, report: Callable[[int], None]) -> tuple[float, float | NotMeasured, bytes]:
    sampler, prompt = request_of(task.row)
    noise = batch_noise(task.ensemble, [task.row.seed], sampler, task.device)[:1]
    condition = task.ensemble.settings.condition(prompt, device=task.device)
    ensemble = open_ensemble(task.home, task.ensemble, task.device)
    weights = joint_ablation_weights(task.membership)
    y = sample(ensemble, noise, sampler, weights=weights, condition=condition)[0].cpu()
    report(1)
    output = torch.from_numpy(load_file(task.home.sample_tensors(task.row.id))["output"])
    perceptual = _lpips(task.lpips, output, y)
    return float(euclidean(output, y)), perceptual, png_bytes(to_pixels(y[None])[0].numpy())


def _lpips(weights: LpipsWeights | NotMeasured, first: Tensor, second: Tensor) -> float | NotMeasured:
    return weights if isinstance(weights, NotMeasured) else float(open_lpips(weights).distances(first, second[None])[0])
