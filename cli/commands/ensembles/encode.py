"""``creditline encode`` and ``creditline plan``: which members see which works, and what a choice
of n gives.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.common import HomeOption, JsonOption, home_at, narrate, print_json, print_table
from registry.errors import UsageError
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from registry.planning.choices import Plan

UnitOption = Annotated[
    str, typer.Option("--unit", metavar="UNIT", help="asset, rightsholder, or a column whose values are the units.")
]
WeightOption = Annotated[
    int | None,
    typer.Option("--weight", metavar="H", help="Members that train on each unit.", show_default="half of the members"),
]
SeedOption = Annotated[int, typer.Option("--seed", help="Which of the possible assignments of codes.")]

PLANNED = 6
"""How many numbers of members `plan` shows when none is given."""


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("plan")(show_plan)
    app.command("encode")(encode)


def encode(
    members: Annotated[int, typer.Option("--members", metavar="N", help="Number of members, 2 to 64.")],
    unit: UnitOption = "asset",
    weight: WeightOption = None,
    seed: SeedOption = 0,
    only_permitted: Annotated[
        bool, typer.Option("--only-permitted", help="Leave out what is unclear or constrained, too.")
    ] = False,
    include_forbidden: Annotated[
        bool,
        typer.Option("--include-forbidden", help="Take prohibited works, too; withdrawn ones never. Needs --reason."),
    ] = False,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why prohibited works are taken; put on record.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Give every unit of the registered works its code: the members that will train on it.

    An encoding never changes; works that are registered later are not in it. The same choice for
    the same works gives the same encoding again. Works that may not be trained on are left out, and
    so are those known by their metadata alone.

    Examples:
        creditline encode --unit asset --members 10

        creditline encode --unit rightsholder --members 12 --weight 4 --seed 1

        creditline encode --unit category --members 8 --only-permitted
    """
    from datetime import UTC, datetime

    import pyarrow as pa

    from registry.encodings.store import LAWFUL, create_encoding, idle_members, left_out, load_units, taken_in
    from registry.permissions.rule import Permission
    from registry.planning.choices import plan
    from registry.storage.database import Registry

    if only_permitted and include_forbidden:
        raise UsageError("got --only-permitted and --include-forbidden; give one of them")
    registry = Registry.open(home_at(home))
    kind, column = _unit(unit)
    permissions = {Permission.PERMITTED} if only_permitted else LAWFUL
    if include_forbidden:
        permissions = LAWFUL | {Permission.PROHIBITED}
    encoding = create_encoding(
        registry,
        kind,
        column,
        members,
        _weight(weight, members),
        seed,
        datetime.now(UTC),
        permissions=permissions,
        reason=reason,
    )
    units = load_units(registry, encoding.id)
    facts = plan(units.unit_numbers, encoding.n, encoding.h, encoding.seed)
    with registry.connection() as connection:
        # Of today: an encoding that is asked for again may leave out more than when it was made.
        outside = left_out(connection, pa.table({"asset_id": units.asset_ids}), permissions)
        taken = taken_in(connection, units.asset_ids)
    idle = idle_members(units.codes, encoding.n)
    if idle:
        narrate(
            f"so few units leave {len(idle)} of {encoding.n} members without any work, and such a member cannot be trained; "
            "take fewer members, a larger --weight or another --seed"
        )
    if as_json:
        fields = {name: getattr(encoding, name) for name in ("id", "unit_kind", "unit_column", "n", "h", "seed")}
        fields |= {"created_at": encoding.created_at.isoformat(), "works_outside": sum(outside.values())}
        print_json("encode", {**fields, "left_out": outside, "permissions": taken, "plan": facts.to_json()})
        return
    typer.echo(encoding.id)
    narrate(
        f"encoding {encoding.id}: {facts.units:,} units of {facts.works:,} works, n = {facts.n}, h = {facts.h}; "
        f"{facts.decoys:,} decoys, q of one unit alone at best {facts.smallest_q:.2g}"
    )
    if outside:
        counted = ", ".join(f"{number:,} {_LEFT_OUT.get(why, why)}" for why, number in outside.items())
        narrate(f"left out: {counted}; `creditline rights` says why works are not permitted")
    if doubtful := {name: number for name, number in taken.items() if name != Permission.PERMITTED}:
        counted = ", ".join(f"{number:,} {name}" for name, number in doubtful.items())
        narrate(f"of the works in it, {counted}; --only-permitted leaves these out, `creditline rights --why` says why")
    if facts.smallest_q > _WANTED_Q:
        narrate(
            f"so few decoys cannot support q <= {_WANTED_Q} for a shortlist of {_shortlist()}; "
            f"take more members (`creditline plan --unit {unit}` shows what they give)"
        )


_LEFT_OUT = {
    "metadata only": "known by their metadata alone",
    "missing": "not found any more",
    "no unit": "without a value in the unit",
}


def show_plan(
    members: Annotated[
        list[int] | None,
        typer.Option("--members", metavar="N", help="A number of members; may be repeated.", show_default="a range"),
    ] = None,
    unit: UnitOption = "asset",
    weight: WeightOption = None,
    seed: SeedOption = 0,
    encoding: Annotated[
        str | None,
        typer.Option(
            "--encoding", metavar="ID", help="What is left of this encoding, if all its members are first ones."
        ),
    ] = None,
    ensemble: Annotated[
        str | None, typer.Option("--ensemble", metavar="ID", help="What is left of this ensemble, as it serves now.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Show what a number of members gives for the registered works, before anything is trained.

    Capacity: how many units there are codes for. Decoys: codes without a unit, which p-values are
      measured against.
    Best lone q: the smallest that one unit can reach if no other passes with it; several together
    can reach less. Withdraw: units that can be withdrawn before no member is left: for certain, and
    in random order (5 to 95 of 100 cases). Cost: training time relative to one model on all works.

    With --encoding or --ensemble: how many more units can be withdrawn from what there is, after
    what was withdrawn.

    Examples:
        creditline plan

        creditline plan --unit rightsholder --members 8 --members 12

        creditline plan --ensemble 3fa2b1c09d11
    """
    if encoding is not None or ensemble is not None:
        _show_what_is_left(home, encoding, ensemble, as_json=as_json)
        return
    from registry.encodings.codes import MAX_MEMBERS, members_needed
    from registry.encodings.store import unit_works
    from registry.errors import CapacityError
    from registry.planning.choices import plan
    from registry.storage.database import Registry

    kind, column = _unit(unit)
    with Registry.open(home_at(home)).connection() as connection:
        unit_of_work = unit_works(connection, kind, column)["unit_number"].to_numpy()
    first = members_needed(int(unit_of_work.max()) + 1)
    choices = members or range(first, min(MAX_MEMBERS, first + PLANNED - 1) + 1)
    plans, refused = [], None
    for n in choices:
        try:
            plans.append(plan(unit_of_work, n, _weight(weight, n), seed))
        except CapacityError as error:
            refused = error
            narrate(f"{n} members: {error}")
    if not plans and refused is not None:
        raise refused
    if as_json:
        print_json("plan", {"unit": unit, "plans": [each.to_json() for each in plans]})
        return
    print_table(
        ("members", "weight", "capacity", "works a member", "decoys", "best lone q", "withdraw", "cost"),
        [_row(each) for each in plans],
    )
    narrate(
        f"{plans[0].units:,} units of {plans[0].works:,} works; q is for a shortlist of {min(_shortlist(), plans[0].units)}"
    )
    enough = next((each for each in plans if each.smallest_q <= _WANTED_Q), None)
    if enough:
        narrate(
            f"{enough.n} members can support q <= {_WANTED_Q}: creditline encode --unit {unit} --members {enough.n}"
        )
    else:
        narrate(f"none of these has the decoys that q <= {_WANTED_Q} needs; try --members {min(plans[-1].n + 2, 64)}")


def _show_what_is_left(home: Path, encoding: str | None, ensemble: str | None, *, as_json: bool) -> None:
    from cli.commands.rights.withdrawals import further_removals
    from registry.members.serving import service_of
    from registry.outputs.queries import named_ensemble
    from registry.planning.choices import removals_left
    from registry.storage.database import Registry
    from registry.storage.tables import Encoding
    from registry.works.queries import find_by_prefix

    if encoding is not None and ensemble is not None:
        raise UsageError("expected either --encoding or --ensemble")
    registry = Registry.open(home_at(home))
    serving: list[int] | None = None
    with registry.session() as session:
        if ensemble is not None:
            chosen = named_ensemble(session, ensemble)
            encoding_id, name = chosen.encoding_id, f"ensemble {chosen.id}"
        else:
            encoding_id = find_by_prefix(session, Encoding, encoding or "").id
            name = f"encoding {encoding_id}"
    if ensemble is not None:
        serving = [member.index for member in service_of(registry, chosen.id).serving]
    left = removals_left(registry, encoding_id, serving)
    if as_json:
        print_json(
            "plan", {"encoding": encoding_id, "ensemble": chosen.id if serving is not None else None, **left.to_json()}
        )
        return
    columns = ("members left", "units", "for certain", "smallest", "5 %", "median", "95 %")
    values = (left.members, f"{left.units:,}", left.guaranteed, left.smallest, left.low, left.median, left.high)
    print_table(columns, [values])
    narrate(f"{name}: {further_removals(left)}" if left.members else f"{name}: no member is left; `creditline retrain`")


_WANTED_Q = 0.05


def _shortlist() -> int:
    from registry.planning.choices import SHORTLIST

    return SHORTLIST


def _unit(name: str) -> tuple[str, str | None]:
    return (name, None) if name in ("asset", "rightsholder") else ("column", name)


def _weight(given: int | None, members: int) -> int:
    return members // 2 if given is None else given


def _row(plan: Plan) -> list[object]:
    return [
        plan.n,
        plan.h,
        f"{plan.capacity:,}",
        f"{plan.fewest_works:,}-{plan.most_works:,}",
        f"{plan.decoys:,}",
        f"{plan.smallest_q:.2g}",
        f"{plan.withdrawals_guaranteed} ({plan.withdrawals.low}-{plan.withdrawals.high})",
        f"{plan.training_cost}x",
    ]
