"""``creditline encode`` and ``creditline plan``: which members see which works, and what a choice of n gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.common import HomeOption, JsonOption, home_at, narrate, print_json, print_table
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from registry.plan import Plan

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
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Give every unit of the registered works its code: the members that will train on it.

    An encoding never changes; works that are registered later are not in it. The same choice for the same works gives
    the same encoding again.

    Examples:
        creditline encode --unit asset --members 10

        creditline encode --unit rightsholder --members 12 --weight 4 --seed 1

        creditline encode --unit category --members 8
    """
    from datetime import UTC, datetime

    from registry.database import Registry
    from registry.encodings import create_encoding, idle_members, load_units
    from registry.plan import plan
    from registry.queries import works_outside

    registry = Registry.open(home_at(home))
    kind, column = _unit(unit)
    encoding = create_encoding(registry, kind, column, members, _weight(weight, members), seed, datetime.now(UTC))
    units = load_units(registry, encoding.id)
    facts = plan(units.unit_numbers, encoding.n, encoding.h, encoding.seed)
    with registry.connection() as connection:
        outside = works_outside(connection, encoding.id)
    idle = idle_members(units.codes, encoding.n)
    if idle:
        narrate(
            f"so few units leave {len(idle)} of {encoding.n} members without any work, and such a member cannot be trained; "
            "take fewer members, a larger --weight or another --seed"
        )
    if as_json:
        fields = {name: getattr(encoding, name) for name in ("id", "unit_kind", "unit_column", "n", "h", "seed")}
        created_at = encoding.created_at.isoformat()
        print_json("encode", {**fields, "created_at": created_at, "works_outside": outside, "plan": facts.to_json()})
        return
    typer.echo(encoding.id)
    narrate(
        f"encoding {encoding.id}: {facts.units:,} units of {facts.works:,} works, n = {facts.n}, h = {facts.h}; "
        f"{facts.decoys:,} decoys, q of one unit alone at best {facts.smallest_q:.2g}"
    )
    if outside:
        narrate(f"{outside:,} registered works are not in it (no value in {unit!r}, or not found any more)")
    if facts.smallest_q > _WANTED_Q:
        narrate(
            f"so few decoys cannot support q <= {_WANTED_Q} for a shortlist of {_shortlist()}; "
            f"take more members (`creditline plan --unit {unit}` shows what they give)"
        )


def show_plan(
    members: Annotated[
        list[int] | None,
        typer.Option("--members", metavar="N", help="A number of members; may be repeated.", show_default="a range"),
    ] = None,
    unit: UnitOption = "asset",
    weight: WeightOption = None,
    seed: SeedOption = 0,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Show what a number of members gives for the registered works, before anything is trained.

    Capacity: how many units there are codes for. Decoys: codes without a unit, which p-values are measured against.
    Best lone q: the smallest that one unit can reach if no other passes with it; several together can reach less.
    Withdraw: units that can be left out at once, for certain, and at random in 95 of 100 cases. Cost: training time
    relative to one model on all works.

    Examples:
        creditline plan

        creditline plan --unit rightsholder --members 8 --members 12
    """
    from registry.codes import MAX_MEMBERS, members_needed
    from registry.database import Registry
    from registry.encodings import unit_works
    from registry.errors import CapacityError
    from registry.plan import plan

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


_WANTED_Q = 0.05


def _shortlist() -> int:
    from registry.plan import SHORTLIST

    return SHORTLIST


def _unit(name: str) -> tuple[str, str | None]:
    return (name, None) if name in ("asset", "rightsholder") else ("column", name)


def _weight(given: int | None, members: int) -> int:
    return members // 2 if given is None else given


def _row(plan: Plan) -> list[object]:
    likely = max((k for k, chance in enumerate(plan.withdrawal_chances, start=1) if chance >= 0.95), default=0)
    return [
        plan.n,
        plan.h,
        f"{plan.capacity:,}",
        f"{plan.fewest_works:,}-{plan.most_works:,}",
        f"{plan.decoys:,}",
        f"{plan.smallest_q:.2g}",
        f"{plan.withdrawals_guaranteed} ({likely})",
        f"{plan.training_cost}x",
    ]
