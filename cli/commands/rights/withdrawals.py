"""``creditline withdraw``, ``withdrawals`` and ``retrain``: taking works out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.commands.ensembles.train import DeviceOption, EnsembleOption, WorkersOption, run_training
from cli.commands.rights import certificates
from cli.common import HomeOption, JsonOption, WorksArgument, home_at, narrate, print_json, print_table
from registry.errors import UsageError
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from registry.planning.withdrawal_capacity import Removals, RetrainingCost
    from registry.withdrawals.record import Impact


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("withdraw")(withdraw)
    app.command("withdrawals")(list_withdrawals)
    app.command("retrain")(retrain)
    certificates.register_commands(app)


def withdraw(
    works: WorksArgument = None,
    rightsholder: Annotated[
        str | None,
        typer.Option("--rightsholder", metavar="NAME", help="All works of this one: exact name, or #<number>."),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, and on whose word.")] = "",
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Withdraw works: members that saw them serve no more, from now on. This is not taken back.

    A rightsholder's withdrawal covers the works that come later, too. What the models are left with
    is shown.

    Examples:
        creditline withdraw 17 --reason "letter of 3 May"

        creditline withdraw --rightsholder "Ada Example" --reason "contract ended"
    """
    from datetime import UTC, datetime

    from registry.storage.database import Registry
    from registry.withdrawals.record import withdraw as record
    from registry.works.lookup import resolve_rightsholder, resolve_works

    if bool(works) == (rightsholder is not None):
        raise UsageError("expected either WORKs or --rightsholder NAME")
    registry = Registry.open(home_at(home))
    with registry.connection() as connection:
        asset_ids = resolve_works(connection, works or [])
        holder = None if rightsholder is None else resolve_rightsholder(connection, rightsholder)
    report = record(registry, asset_ids=asset_ids, rightsholder_id=holder, reason=reason, now=datetime.now(UTC))
    if as_json:
        document = {
            "withdrawals": list(report.withdrawal_ids),
            "works": list(report.works),
            "newly_withdrawn": list(report.newly_withdrawn),
            "models": [impact.to_json() for impact in report.impacts],
        }
        print_json("withdraw", document)
        return
    for number in report.withdrawal_ids:
        typer.echo(str(number))
    if report.withdrawal_ids:
        withdrawn = len(report.newly_withdrawn)
        numbers = ", ".join(map(str, report.withdrawal_ids[:10])) + (", …" if len(report.withdrawal_ids) > 10 else "")
        narrate(f"withdrawal {numbers}: {withdrawn:,} {'work' if withdrawn == 1 else 'works'} withdrawn")
    else:
        narrate("already withdrawn; nothing was changed")
    for impact in report.impacts:
        _narrate_impact(impact)


def _narrate_impact(impact: Impact) -> None:
    if impact.ensemble_id is None:
        narrate(f"encoding {impact.encoding_id} has {impact.works:,} of them; `creditline train` leaves them out")
        return
    name = f"ensemble {impact.ensemble_id}"
    if impact.reference_model:
        narrate(
            f"{name}: its reference model saw them and ranks no more: `creditline members reference --ensemble "
            f"{impact.ensemble_id}` trains it again without them"
        )
    if not impact.saw:
        narrate(f"{name}: no member in service saw them; {len(impact.serving)} of {impact.n} members serve")
        return
    narrate(
        f"{name}: members {', '.join(map(str, impact.saw))} saw {impact.works:,} of them; "
        f"{len(impact.serving)} of {impact.n} members serve on"
    )
    if not impact.serving:
        narrate(f"none is left: `creditline retrain --ensemble {impact.ensemble_id}`")
    elif impact.further is not None:
        narrate(f"  {further_removals(impact.further)}")


def further_removals(further: Removals) -> str:
    """How many more units can be withdrawn, in words."""
    certain = (
        "one more unit withdrawn may leave no member"
        if further.guaranteed == 0
        else f"a member is left whichever {'unit is' if further.guaranteed == 1 else f'{further.guaranteed:,} units are'} "
        "withdrawn next"
    )
    return (
        f"{certain}; of units drawn at random, {further.median:,} can go before none is left (in 9 of 10 cases {further.low:,} "
        f"to {further.high:,})"
    )


def list_withdrawals(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """List all withdrawals: of what, when, why, and how many works each covers."""
    from cli.common import plain_row
    from registry.storage.database import Registry
    from registry.withdrawals.record import list_withdrawals as recorded

    with Registry.open(home_at(home)).connection() as connection:
        rows = recorded(connection)
    if as_json:
        print_json("withdrawals", {"withdrawals": [plain_row(row) for row in rows]})
        return
    columns = ("withdrawal", "of", "works", "recorded", "by", "reason")
    print_table(columns, [_withdrawal_line(row) for row in rows])


def _withdrawal_line(row: dict[str, Any]) -> tuple[object, ...]:
    kind = "work" if row["scope"] == "asset" else "rightsholder"
    when = row["recorded_at"].isoformat(timespec="seconds")
    return (
        row["id"],
        f"{kind} {row['subject']} (#{row['subject_id']})",
        row["works"],
        when,
        row["recorded_by"],
        row["reason"],
    )


def retrain(
    ensemble: EnsembleOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it would cost, and train nothing.")] = False,
    device: DeviceOption = None,
    workers: WorkersOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Train again just the members that saw withdrawn works, without these; then all members serve.

    Former generations are kept, to verify and audit what they made. Interrupt it at any time: the
    same command goes on.

    Examples:
        creditline retrain --dry-run

        creditline retrain --ensemble 3fa2b1c09d11
    """
    from attribution.training.lifecycle import plan_retraining
    from registry.members.serving import service_of
    from registry.outputs.queries import named_ensemble
    from registry.planning.choices import cost_of_retraining
    from registry.storage.database import Registry

    registry = Registry.open(home_at(home)).patient()
    with registry.session() as session:
        chosen = named_ensemble(session, ensemble)
    before = service_of(registry, chosen.id)
    cost = cost_of_retraining(registry, before)
    planned = plan_retraining(registry, chosen.id)
    if planned.wanted:
        _narrate_cost(cost)
    for index in planned.without_works:
        narrate(f"member {index} has no work left and stays out of service; `creditline encode` again to use its place")
    if planned.wanted and not dry_run:
        run_training(registry, chosen.id, device, workers, again=True)
    after = service_of(registry, chosen.id)
    if as_json:
        document = {
            "ensemble": chosen.id,
            "retrained": [] if dry_run else sorted(planned.wanted),
            "would_retrain": sorted(planned.wanted),
            "without_works": list(planned.without_works),
            "serving": [member.index for member in after.serving],
            "cost": cost.to_json(),
        }
        print_json("retrain", document)
        return
    typer.echo(chosen.id)
    if not planned.wanted:
        narrate(f"no member has to be trained again; {len(after.serving)} of {after.encoding.n} members serve")
    elif not dry_run:
        narrate(
            f"{len(planned.wanted)} members trained again; {len(after.serving)} of {after.encoding.n} members serve"
        )


def _narrate_cost(cost: RetrainingCost) -> None:
    from registry.planning.withdrawal_capacity import SHARDED_RETRAINING

    narrate(
        f"{cost.retrained} of {cost.members} members are to be trained again: {cost.work_passes:,} of {cost.all_work_passes:,} "
        f"works x passes, {cost.relative:.0%} of retraining everything"
    )
    narrate(
        f"sharded retraining with {cost.members} shards, for the same {cost.withdrawn_units:,} units: {cost.shards_expected:.1f} "
        f"shards ({cost.shards_low} to {cost.shards_high} in 9 of 10 cases), {cost.shard_work_passes:,.0f} of "
        f"{cost.all_shard_work_passes:,} works x passes, {cost.shard_relative:.0%} of retraining everything"
    )
    narrate(SHARDED_RETRAINING)
