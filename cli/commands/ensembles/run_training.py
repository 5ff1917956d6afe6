"""Train members with progress bars; for `train`, its jobs and `retrain`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.output import narrate, progress_bars

if TYPE_CHECKING:
    from rich.progress import Progress

    from attribution.engines.device import Device
    from attribution.ensemble.recipe import EnsembleSettings
    from registry.storage.database import Registry
    from registry.storage.tables import Member


def run_training(registry: Registry, ensemble_id: str, where: Device, *, again: bool = False) -> list[Member]:
    """Train the missing members; returns the newest generation of every member.

    ``again``: retrain the members out of service instead.
    """
    from attribution.ensemble.recipe import EnsembleSettings
    from attribution.training.lifecycle import plan_retraining, retrain_ensemble, train_ensemble, training_alone
    from registry.members.serving import service_status

    # Held from the start: a second process is refused before it reads works.
    with training_alone(registry, ensemble_id), progress_bars() as progress:
        service = service_status(registry, ensemble_id)
        encoding, settings = service.encoding, EnsembleSettings.of(registry, service.ensemble, training=True)
        present = {state.member.index for state in service.states}
        missing = set(plan_retraining(registry, ensemble_id).generations) if again else set(range(encoding.n)) - present
        read_works(registry, ensemble_id, encoding.id, settings, where.name, progress)
        total = settings.training.steps
        done_before = 0 if again else total * len(present)
        everyone = progress.add_task("all members", total=total * len(missing) + done_before, completed=done_before)
        bars = {index: progress.add_task(f"member {index}", total=total, start=False) for index in sorted(missing)}

        def advance(index: int, done: int) -> None:
            if index not in bars:
                # A withdrawal since took one more member out of service.
                bars[index] = progress.add_task(f"member {index}", total=total, start=False)
            progress.start_task(bars[index])
            progress.advance(bars[index], done)
            progress.advance(everyone, done)

        run = retrain_ensemble if again else train_ensemble
        for member in run(registry, ensemble_id, where, advance):
            # Hidden, not removed: the last steps may be told after the member is finished.
            progress.update(bars[member.index], visible=False)
            if not progress.console.is_terminal:
                # A log file shows no bars, so it gets a line per member.
                narrate(f"member {member.index} of {encoding.n} is trained and registered")
    return [state.member for state in service_status(registry, ensemble_id).states]


def read_works(
    registry: Registry, ensemble_id: str, encoding_id: str, settings: EnsembleSettings, device: str, progress: Progress
) -> None:
    """Build an ensemble's training set, unless it is there, with a bar until it is done."""
    from attribution.training.dataset import build_training_set

    reading = progress.add_task("reading works", total=None)
    build_training_set(
        registry,
        ensemble_id,
        encoding_id,
        settings,
        lambda done, total: progress.update(reading, advance=done, total=total),
        device,
    )
    progress.remove_task(reading)
