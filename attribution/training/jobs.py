"""One member a job: training on a cluster, beside the one process that writes the registry.

A job opens the registry for reading only, so any number of them run at once on a shared folder. It
leaves the member's folder; :mod:`attribution.training.finished` registers it. Its weights are those
that :func:`attribution.training.lifecycle.train_ensemble` gives the member.

    prepared: create_ensemble, build_training_set         once, writes the registry
    train_apart(registry, ensemble_id, index, device)     a job, once or many times
    collect_members(registry, ensemble_id)                once, writes the registry
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from attribution.engines.device import Device, run_tasks
from attribution.training.dataset import has_training_set
from attribution.training.lifecycle import refuse_empty
from attribution.training.loop import CHECKPOINT_SECONDS
from attribution.training.member import MemberTask, clear_remains, member_alone, task_values, train_member
from registry.errors import NotFoundError, UsageError
from registry.home import Home
from registry.members.register import member_id
from registry.members.serving import service_status
from registry.storage.database import Registry


def train_apart(
    registry: Registry,
    ensemble_id: str,
    index: int,
    device: Device,
    into: Home | None = None,
    on_progress: Callable[[int], object] = lambda _steps: None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> Path:
    """Train one member, or resume it; returns its folder.

    ``registry``: open for reading only. ``into``: the home that gets the member's folder and
    checkpoint; None: the registry's own. ``on_progress`` gets the number of steps just done. A
    member in service is not trained again; one that is out of service gets its next generation,
    without the withdrawn works.

    Raises:
        NotFoundError: no such ensemble, or its training set is not there.
        UsageError: the ensemble has no such member.
        CapacityError: withdrawals left the member without any work.
        ReadOnlyRegistryError: a withdrawal has to be recorded first.
        LockedRegistryError: another process trains the member.
    """
    service = service_status(registry, ensemble_id)
    if not 0 <= index < service.encoding.n:
        raise UsageError(f"got member {index}, expected 0 to {service.encoding.n - 1}: the members of {ensemble_id}")
    place = into or registry.home
    with member_alone(place, ensemble_id, index):
        # Looked at under the lock: it may have been registered since.
        service = service_status(registry, ensemble_id)
        newest = next((state for state in service.states if state.member.index == index), None)
        if newest is not None and newest.serves:
            return registry.home.member(newest.member.id)
        generation = 1 if newest is None else newest.member.generation + 1
        key = member_id(ensemble_id, index, generation)
        if not has_training_set(registry.home, ensemble_id):
            raise NotFoundError(
                f"the training set of ensemble {ensemble_id} is not in {registry.home.training(ensemble_id)}: "
                "run the `creditline train --plan-only` that made the ensemble again, and then this job"
            )
        refuse_empty(registry, service, [index])
        values = task_values(registry, ensemble_id, device, checkpoint_seconds)
        clear_remains(place, key)
        task = MemberTask(
            **values,
            member_id=key,
            index=index,
            generation=generation,
            into=None if into is None else Home(into.root.resolve()),
        )
        [(_, folder)] = run_tasks(train_member, [task], device, lambda _, steps: on_progress(steps))
        return folder
