"""The life of an ensemble: created from an encoding and a recipe, trained and retrained.

The parent process writes the registry, the workers write files. A member counts once its folder is
complete and its row registered. After a kill, the next run resumes or removes what was left.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

from attribution.engines.device import Device, run_tasks
from attribution.ensemble.recipe import EnsembleSettings
from attribution.training.dataset import labels_sha256
from attribution.training.groups import in_groups
from attribution.training.loop import CHECKPOINT_SECONDS
from attribution.training.member import MemberTask, clear_remains, member_alone, task_values, train_members
from registry.encodings.store import idle_members, load_codes
from registry.errors import CapacityError, UsageError
from registry.event_log.events import changing
from registry.ids import content_id
from registry.members.manifest import read_member_folder
from registry.members.register import member_id, register_member
from registry.members.serving import ServiceStatus, generations_of, service_status, works_left
from registry.outputs.queries import check_subject
from registry.storage import tables
from registry.storage.database import Registry
from registry.storage.job_lock import only_one
from registry.works.queries import training_assets


def create_ensemble(registry: Registry, encoding_id: str, settings: EnsembleSettings) -> tables.Ensemble:
    """Register an ensemble, or find the ensemble of the same encoding and recipe.

    Raises:
        NotFoundError: no such encoding.
        CapacityError: so few units that a member would have nothing to train on.
    """
    units = load_codes(registry, encoding_id)
    idle = idle_members(units.codes, units.encoding.n)
    if idle:
        raise CapacityError(
            f"{len(units.codes)} units leave {len(idle)} of {units.encoding.n} members without any work, "
            f"member {idle[0]} for one: encode with fewer members, a larger --weight or another --seed"
        )
    document = settings.to_json()
    ensemble_id = content_id("ensemble", {"encoding": encoding_id, "settings": document})
    with registry.session() as session:
        found = session.get(tables.Ensemble, ensemble_id)
    if found is not None:
        asked = {"encoding_id": encoding_id, "settings": document}
        check_subject("ensemble", ensemble_id, {"encoding_id": found.encoding_id, "settings": found.settings}, asked)
        return found
    now = datetime.datetime.now(datetime.UTC)
    made = tables.Ensemble(id=ensemble_id, encoding_id=encoding_id, settings=document, created_at=now)
    with changing(registry, now) as change:
        # Another process may have made it since.
        if not change.has("ensemble", ensemble_id):
            change.insert(made)
            change.record("ensemble created", f"ensemble {ensemble_id}", after={"encoding": encoding_id})
            change.seal("ensemble", ensemble_id)
    with registry.session() as session:
        return session.get_one(tables.Ensemble, ensemble_id)


def training_alone(registry: Registry, ensemble_id: str) -> AbstractContextManager[None]:
    """Hold an ensemble's lock, so that no other process trains or imports its members meanwhile.

    Raises:
        LockedRegistryError: another process does.
    """
    registry.check_writable()
    return only_one(registry.home, f"training-{ensemble_id}", f"ensemble {ensemble_id} is being trained")


@dataclass(frozen=True)
class Labels:
    """The values of a label column; none for unconditional members."""

    classes: tuple[str, ...] = ()
    """Empty for free text."""
    sha256: str | None = None
    texts: tuple[str | None, ...] = ()
    """Of free text, each work's; None for a work without one."""


def labels_of(registry: Registry, encoding_id: str, column: str | None, *, free_text: bool = False) -> Labels:
    """The values of a label column among an encoding's works, and the hash over works and values.

    ``free_text``: each value is a text, such as a caption; members train on a work without one
    under the empty text.

    Raises:
        NotFoundError: no work has a value in the column.
        UsageError: some works have no value, and values are classes.
    """
    if column is None:
        return Labels()
    assets = training_assets(registry, encoding_id, column)
    values = assets.values or []
    if free_text:
        return Labels((), labels_sha256(assets), tuple(value or None for value in values))
    missing = [path for path, value in zip(assets.paths, values, strict=True) if not value]
    if missing:
        raise UsageError(
            f"{len(missing)} works have no value in column {column!r}, the first is {missing[0]}: "
            "fill the column in and register again, or train without --label"
        )
    return Labels(tuple(sorted({str(value) for value in values})), labels_sha256(assets))


def train_ensemble(
    registry: Registry,
    ensemble_id: str,
    device: Device,
    on_progress: Callable[[int, int], object] = lambda _member, _steps: None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> Iterator[tables.Member]:
    """Train the missing members on the works that were not withdrawn; yield each once registered.

    The training set must exist. ``on_progress`` gets (member's index, steps just done).

    Raises:
        NotFoundError: no such ensemble.
        CapacityError: withdrawals left a member without any work.
        WorkerDiedError: a worker was killed.
        IntegrityError: a member's folder was altered before it could be registered.
        LockedRegistryError: another process trains this ensemble, or one of these members.
    """
    with training_alone(registry, ensemble_id):
        service = service_status(registry, ensemble_id)
        registered = {state.member.index for state in service.states}
        missing = {index: 1 for index in range(service.encoding.n) if index not in registered}
        refuse_empty(registry, service, missing)
        yield from _train(registry, ensemble_id, missing, device, on_progress, checkpoint_seconds)


def refuse_empty(registry: Registry, service: ServiceStatus, indices: Collection[int]) -> None:
    """Check that every one of these members has a work to train on.

    Raises:
        CapacityError: withdrawals left one without any.
    """
    empty = [index for index, count in works_left(registry, service, indices).items() if not count]
    if empty:
        raise CapacityError(
            f"withdrawals left {len(empty)} of {service.encoding.n} members without any work, member {empty[0]} for one: "
            "run `creditline encode` again and train on that"
        )


@dataclass(frozen=True)
class RetrainingPlan:
    """The members to train again, and the members without works."""

    generations: dict[int, int]
    """By index, the generation to train."""
    without_works: tuple[int, ...]
    """Members without any work left: they stay out of service."""


def plan_retraining(registry: Registry, ensemble_id: str) -> RetrainingPlan:
    """The members that saw works withdrawn since.

    Raises:
        NotFoundError: no such ensemble.
    """
    service = service_status(registry, ensemble_id)
    generations = {member.index: member.generation + 1 for member in service.out_of_service}
    works = works_left(registry, service, generations)
    return RetrainingPlan(
        {index: generation for index, generation in generations.items() if works[index]},
        tuple(index for index, count in works.items() if not count),
    )


def retrain_ensemble(
    registry: Registry,
    ensemble_id: str,
    device: Device,
    on_progress: Callable[[int, int], object] = lambda _member, _steps: None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> Iterator[tables.Member]:
    """Train the next generation of the members that saw withdrawn works, without these works.

    Start and draws are those of the first generation: on the same machine and versions, the result
    is the member that would have been trained without the works, bit for bit where members train
    alone (:mod:`attribution.training.groups`), and up to rounding in a group. Arguments and errors:
    :func:`train_ensemble`. Members without any work left are skipped.
    """
    with training_alone(registry, ensemble_id):
        generations = plan_retraining(registry, ensemble_id).generations
        yield from _train(registry, ensemble_id, generations, device, on_progress, checkpoint_seconds)


def _train(
    registry: Registry,
    ensemble_id: str,
    generations: Mapping[int, int],
    device: Device,
    on_progress: Callable[[int, int], object],
    checkpoint_seconds: float,
) -> Iterator[tables.Member]:
    """Train these generations (by member) on the works that were not withdrawn."""
    values = task_values(registry, ensemble_id, device, checkpoint_seconds)
    with registry.session() as session:
        finished = [member.id for member in generations_of(session, ensemble_id)]
    tasks = [
        MemberTask(
            **values,
            member_id=member_id(ensemble_id, index, generations[index]),
            index=index,
            generation=generations[index],
        )
        for index in sorted(generations)
    ]
    with ExitStack() as stack:
        for task in tasks:
            stack.enter_context(member_alone(registry.home, ensemble_id, task.index))
            clear_remains(registry.home, task.member_id)
        for key in finished:
            clear_remains(registry.home, key, finished=True)
        groups = in_groups(tasks, device)

        def report(group: int, steps: int) -> None:
            for task in groups[group]:
                on_progress(task.index, steps)

        for _, folders in run_tasks(train_members, groups, device, report):
            for folder in folders:
                now = datetime.datetime.now(datetime.UTC)
                yield register_member(registry, read_member_folder(folder), "trained", now)
