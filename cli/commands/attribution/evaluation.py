"""``creditline evaluate``: how good the evidence on one ensemble is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.commands.ensembles.train import DeviceOption, EnsembleOption, WorkersOption
from cli.common import HomeOption, JsonOption, home_at, narrate, print_json, printable, progress_bars
from registry.errors import IntegrityError
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from rich.progress import TaskID


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("evaluate")(evaluate)


def evaluate(
    planted: Annotated[int, typer.Option("--planted", min=1, help="Training works to show as if found.")] = 64,
    redraws: Annotated[int, typer.Option("--redraws", min=100, help="Deals of wrong codes to audit under.")] = 1000,
    regenerated: Annotated[
        int, typer.Option("--regenerated", min=1, help="Samples to generate again without their nearest unit.")
    ] = 32,
    compared: Annotated[
        int, typer.Option("--compared", min=1, help="Samples whose estimates are held against real ablation.")
    ] = 4,
    shortlist: Annotated[int, typer.Option("--shortlist", min=1, help="Units an audit tests.")] = 10,
    rate: Annotated[
        float, typer.Option("--false-discovery-rate", help="q at or under which a candidate counts.")
    ] = 0.05,
    seed: Annotated[int, typer.Option("--seed", help="Of every random choice.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Also write evaluation.html and evaluation.json there."),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Measure nothing; show what was measured last.")] = False,
    ensemble: EnsembleOption = None,
    device: DeviceOption = None,
    workers: WorkersOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Measure how good the evidence on an ensemble is: power, false alarms, rankings, what
    similarity is worth.

    The result is an event of the log, and reports of this ensemble quote it. Power takes the most
    time, a fraction of a second to some seconds for each planted work; what was measured before is
    found again.

    Examples:
        creditline evaluate --out evaluation

        creditline evaluate --planted 256 --redraws 2000

        creditline evaluate --show --json
    """
    from datetime import UTC, datetime

    from registry.errors import NotFoundError
    from registry.outputs.evaluations import newest_evaluation
    from registry.outputs.queries import named_ensemble
    from registry.storage.database import Registry
    from reports.evaluations.document import EVALUATION, evaluation_facts
    from reports.evaluations.page import evaluation

    registry = Registry.open(home_at(home)).patient()
    with registry.session() as session:
        chosen = named_ensemble(session, ensemble)
    if not show:
        from attribution.audit.auditor import Auditor
        from attribution.audit.record import AuditSettings
        from attribution.ensemble.serving import serving_ensemble
        from attribution.evaluation.run import EvaluationSettings
        from attribution.evaluation.run import evaluate as measure
        from attribution.process_pool import choose_device

        settings = EvaluationSettings(
            planted=planted, redraws=redraws, regenerated=regenerated, compared=compared, seed=seed
        )
        auditing = AuditSettings(shortlist=shortlist, false_discovery_rate=rate)
        with progress_bars() as progress:
            tasks: dict[str, TaskID] = {}

            def advance(what: str, done: int, total: int) -> None:
                if what not in tasks:
                    tasks[what] = progress.add_task(what, total=total)
                progress.update(tasks[what], advance=done, total=total)

            where = choose_device(device, workers)
            auditor = Auditor.prepare(registry, serving_ensemble(registry, chosen.id), auditing, where)
            measure(auditor, settings, datetime.now(UTC), advance)
    with registry.session() as session:
        kept = newest_evaluation(session, chosen.id)
    if kept is None:
        raise NotFoundError(f"ensemble {chosen.id} was never evaluated; run `creditline evaluate` without --show")
    if kept.facts.get("ensemble") != chosen.id:
        raise IntegrityError(f"event {kept.event} is not of ensemble {chosen.id}; `creditline log verify` says more")
    if out is not None:
        page, data = EVALUATION.write(registry, chosen.id, out, datetime.now(UTC)).files
        narrate(f"written to {page} and {data}")
    if as_json:
        print_json("evaluation", evaluation_facts(kept))
        return
    found = evaluation(kept)
    typer.echo(printable(found.headline))
    for figure in found.figures:
        typer.echo(printable(f"{figure.value:>14}  {figure.name} ({figure.note})"))
    typer.echo(printable(found.explanation))
