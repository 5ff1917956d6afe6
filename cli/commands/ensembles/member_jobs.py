"""Training one member a job: ``creditline train --plan-only`` and ``--member``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cli.commands.ensembles.run_training import read_works
from cli.opening import ensemble_named, now, open_registry
from cli.output import narrate, plural, print_json, progress_bars

if TYPE_CHECKING:
    from attribution.engines.device import Device
    from registry.storage.database import Registry

_OF_A_JOB = frozenset({"member", "no_register", "ensemble", "out", "device", "home", "as_json"})
"""The parameters of ``train`` that a job has; the recipe of its ensemble is on record."""


def refuse_recipe(context: typer.Context) -> None:
    """Refuse options of ``train`` that a job of one member does not take.

    Raises:
        BadParameter: one was given.
    """
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if name not in _OF_A_JOB and source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(
                f"{parameter.opts[0]} is not for --member: the recipe is that of the planned ensemble, and a job is one "
                "process"
            )


def plan_jobs(registry: Registry, ensemble_id: str, where: Device, *, as_json: bool) -> None:
    """Prepare what all jobs read: the recorded recipe and withdrawals, and the training set."""
    from attribution.ensemble.recipe import EnsembleSettings
    from registry.members.serving import service_status
    from registry.withdrawals.record import cover_later_works

    cover_later_works(registry, now())
    service = service_status(registry, ensemble_id)
    settings = EnsembleSettings.of(registry, service.ensemble, training=True)
    with progress_bars() as progress:
        read_works(registry, ensemble_id, service.encoding.id, settings, where.name, progress)
    present = {state.member.index for state in service.states}
    missing = [index for index in range(service.encoding.n) if index not in present]
    if as_json:
        print_json("plan-members", {"ensemble": ensemble_id, "encoding": service.encoding.id, "missing": missing})
        return
    typer.echo(ensemble_id)
    narrate(
        f"ensemble {ensemble_id}: {plural(len(missing), 'member')} to train; next, for each INDEX: creditline train "
        f"--ensemble {ensemble_id} --member INDEX --no-register; then: creditline members collect --ensemble {ensemble_id}"
    )


def train_member_apart(
    home: Path, ensemble: str | None, index: int, out: Path | None, device: str | None, *, as_json: bool
) -> None:
    """Train one member of a planned ensemble, and print its folder."""
    from attribution.engines.device import choose_device
    from attribution.ensemble.recipe import EnsembleSettings
    from attribution.training.jobs import train_apart
    from registry.home import Home
    from registry.members.register import member_id

    registry = open_registry(home, read_only=True)
    chosen = ensemble_named(registry, ensemble)
    steps = EnsembleSettings.from_json(chosen.settings).training.steps
    with progress_bars() as progress:
        bar = progress.add_task(f"member {index}", total=steps)
        folder = train_apart(
            registry,
            chosen.id,
            index,
            choose_device(device, 1),
            None if out is None else Home(out),
            lambda done: progress.advance(bar, done),
        )
    if as_json:
        facts = {"ensemble": chosen.id, "index": index, "member": member_id(chosen.id, index), "folder": str(folder)}
        print_json("member-job", facts)
    else:
        typer.echo(str(folder))
        narrate(f"member {index} is trained; next, after all jobs: creditline members collect --ensemble {chosen.id}")
