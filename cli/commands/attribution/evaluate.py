"""``creditline evaluate``: measure how good the evidence of an ensemble is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.opening import ensemble_named, now, open_registry
from cli.options import AddressOption, DeviceOption, EngineOption, EnsembleOption, HomeOption, JsonOption, WorkersOption
from cli.output import echo, narrate, print_json, progress_bars
from registry.errors import IntegrityError, NotFoundError
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from rich.progress import TaskID


def evaluate(
    planted: Annotated[
        int, typer.Option("--planted", min=1, help="Training works to audit as if they were generated, for power.")
    ] = 64,
    redraws: Annotated[
        int, typer.Option("--redraws", min=100, help="Random assignments of codes to audit under, for false alarms.")
    ] = 1000,
    regenerated: Annotated[
        int, typer.Option("--regenerated", min=1, help="Samples to regenerate without their nearest unit.")
    ] = 32,
    compared: Annotated[
        int, typer.Option("--compared", min=1, help="Samples whose estimates are compared with real ablation.")
    ] = 4,
    shortlist: Annotated[int, typer.Option("--shortlist", min=1, help="Number of units that an audit tests.")] = 10,
    rate: Annotated[
        float, typer.Option("--false-discovery-rate", metavar="RATE", help="Largest q of a finding.")
    ] = 0.05,
    seed: Annotated[int, typer.Option("--seed", help="Seed of all random choices.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Also write evaluation.html and evaluation.json to FOLDER."),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Measure nothing; show the newest evaluation.")] = False,
    ensemble: EnsembleOption = None,
    device: DeviceOption = None,
    workers: WorkersOption = None,
    engine: EngineOption = "local",
    address: AddressOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Measure how good the evidence of an ensemble is: copied works found, false alarms and more.

    The result is an event of the log, and reports on this ensemble quote it. The audits of copied
    works (--planted) take the most time: up to some seconds each. Earlier measurements are reused.

    Examples:
        creditline evaluate --out evaluation
        creditline evaluate --planted 256 --redraws 2000
        creditline evaluate --show --json
    """
    from registry.outputs.evaluations import newest_evaluation
    from reports.evaluations.document import EVALUATION, evaluation_facts
    from reports.evaluations.page import evaluation

    registry = open_registry(home).patient()
    chosen = ensemble_named(registry, ensemble)
    if not show:
        from attribution.audit.auditor import Auditor
        from attribution.audit.record import AuditSettings
        from attribution.engines.device import choose_device
        from attribution.ensemble.serving import serving_ensemble
        from attribution.evaluation.run import EvaluationSettings
        from attribution.evaluation.run import evaluate as measure

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

            where = choose_device(device, workers, engine, address)
            auditor = Auditor.prepare(registry, serving_ensemble(registry, chosen.id), auditing, where)
            measure(auditor, settings, now(), advance)
    with registry.session() as session:
        kept = newest_evaluation(session, chosen.id)
    if kept is None:
        raise NotFoundError(f"ensemble {chosen.id} was never evaluated; run `creditline evaluate` without --show")
    if kept.facts.get("ensemble") != chosen.id:
        raise IntegrityError(f"event {kept.event} is not about ensemble {chosen.id}; run `creditline log verify`")
    if out is not None:
        page, data = EVALUATION.write(registry, chosen.id, out, now()).files
        narrate(f"written to {page} and {data}")
    if as_json:
        print_json("evaluation", evaluation_facts(kept))
        return
    found = evaluation(kept)
    echo(found.headline)
    for figure in found.figures:
        echo(f"{figure.value:>14}  {figure.name} ({figure.note})")
    echo(found.explanation)
