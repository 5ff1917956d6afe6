"""``creditline retrain``: train members again without withdrawn works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.commands.ensembles.run_training import run_training
from cli.opening import ensemble_named, open_registry
from cli.options import AddressOption, DeviceOption, EngineOption, EnsembleOption, HomeOption, JsonOption, WorkersOption
from cli.output import narrate, print_json
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from registry.planning.withdrawal_capacity import RetrainingCost


def retrain(
    ensemble: EnsembleOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the cost; train nothing.")] = False,
    device: DeviceOption = None,
    workers: WorkersOption = None,
    engine: EngineOption = "local",
    address: AddressOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Train the members that are out of service again, without withdrawn works.

    All members are then in service. Former generations are kept, to verify and audit their outputs.
    After an interruption, the same command continues.

    Examples:
        creditline retrain --dry-run
        creditline retrain --ensemble 3fa2b1c09d11
    """
    from attribution.engines.device import choose_device
    from attribution.training.lifecycle import plan_retraining
    from registry.members.serving import service_status
    from registry.planning.withdrawal_capacity import cost_of_retraining

    registry = open_registry(home).patient()
    chosen = ensemble_named(registry, ensemble)
    cost = cost_of_retraining(registry, service_status(registry, chosen.id))
    planned = plan_retraining(registry, chosen.id)
    if planned.generations:
        _narrate_cost(cost)
    for index in planned.without_works:
        narrate(f"member {index} has no work left and stays out of service; a new encoding can use its place")
    if planned.generations and not dry_run:
        run_training(registry, chosen.id, choose_device(device, workers, engine, address), again=True)
    after = service_status(registry, chosen.id)
    if as_json:
        document = {
            "ensemble": chosen.id,
            "retrained": [] if dry_run else sorted(planned.generations),
            "would_retrain": sorted(planned.generations),
            "without_works": list(planned.without_works),
            "serving": [member.index for member in after.serving],
            "cost": cost.to_json(),
        }
        print_json("retrain", document)
        return
    typer.echo(chosen.id)
    in_service = f"{len(after.serving)} of {after.encoding.n} members are in service"
    if not planned.generations:
        narrate(f"no member needs retraining; {in_service}")
    elif not dry_run:
        narrate(f"{len(planned.generations)} members trained again; {in_service}")


def _narrate_cost(cost: RetrainingCost) -> None:
    from registry.planning.withdrawal_capacity import SHARDED_RETRAINING

    narrate(
        f"{cost.retrained} of {cost.members} members need retraining: {cost.work_passes:,} of {cost.all_work_passes:,} "
        f"works x passes, {cost.relative:.0%} of retraining everything"
    )
    narrate(
        f"sharded retraining with {cost.members} shards, for the same {cost.withdrawn_units:,} units: {cost.shards_expected:.1f} "
        f"shards ({cost.shards_low} to {cost.shards_high} in 9 of 10 cases), {cost.shard_work_passes:,.0f} of "
        f"{cost.all_shard_work_passes:,} works x passes, {cost.shard_relative:.0%} of retraining everything"
    )
    narrate(SHARDED_RETRAINING)
