"""``creditline plan``: compare numbers of members before training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.commands.ensembles.encode import WANTED_Q, SeedOption, UnitOption, WeightOption, unit_of, weight_of
from cli.commands.ensembles.withdrawal_capacity import in_words
from cli.opening import ensemble_named, open_registry
from cli.options import HomeOption, JsonOption
from cli.output import narrate, print_json, print_table
from registry.errors import CapacityError, UsageError
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from registry.planning.encoding_plan import Plan

PLANNED = 6
"""Numbers of members compared by default."""

_LEGEND = {
    "members": "Number of members to train.",
    "weight": "Number of members trained on each unit.",
    "capacity": "Number of units that there are codes for.",
    "works per member": "Fewest and most works that a member trains on.",
    "decoys": "Codes that belong to no unit; p-values are measured against them.",
    "best q": "Smallest q that a single unit can reach if no other unit is found with it.",
    "withdrawals": "Units that can be withdrawn, whichever they are, with a member left in service; in brackets: "
    "the same for random units, in 9 of 10 cases.",
    "cost": "Training time, relative to one model trained on all works.",
}
_CAPACITY_LEGEND = {
    "members": "Members in service.",
    "certain": "Units that can be withdrawn, whichever they are, with a member left in service.",
    "smallest": "Units in random order that can be withdrawn in every simulated order.",
    "5 %": "Units in random order that can be withdrawn in 95 % of cases.",
    "median": "Units in random order that can be withdrawn in half of the cases.",
    "95 %": "Units in random order that can be withdrawn in 5 % of cases.",
}


def plan(
    members: Annotated[
        list[int] | None,
        typer.Option("--members", metavar="N", help="Number of members; may be repeated.", show_default="a range"),
    ] = None,
    unit: UnitOption = "asset",
    weight: WeightOption = None,
    seed: SeedOption = 0,
    encoding: Annotated[
        str | None,
        typer.Option(
            "--encoding",
            metavar="ID",
            help="Show how many units can still be withdrawn from this encoding, with all members trained once.",
        ),
    ] = None,
    ensemble: Annotated[
        str | None,
        typer.Option("--ensemble", metavar="ID", help="Show how many units can still be withdrawn from this ensemble."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Compare ensembles of different sizes for the registered works, before training.

    With --encoding or --ensemble: show how many more units can be withdrawn, after the withdrawals
    so far.

    Examples:
        creditline plan
        creditline plan --unit rightsholder --members 8 --members 12
        creditline plan --ensemble 3fa2b1c09d11
    """
    if encoding is not None or ensemble is not None:
        _show_withdrawal_capacity(home, encoding, ensemble, as_json=as_json)
        return
    from registry.encodings.codes import members_needed
    from registry.encodings.store import unit_works
    from registry.encodings.words import MAX_MEMBERS
    from registry.planning.encoding_plan import SHORTLIST
    from registry.planning.encoding_plan import plan as plan_of

    with open_registry(home).connection() as connection:
        unit_of_work = unit_works(connection, *unit_of(unit))["unit_number"].to_numpy()
    first = members_needed(int(unit_of_work.max()) + 1)
    choices = members or range(first, min(MAX_MEMBERS, first + PLANNED - 1) + 1)
    plans, refused = [], None
    for n in choices:
        try:
            plans.append(plan_of(unit_of_work, n, weight_of(weight, n), seed))
        except CapacityError as error:
            refused = error
            narrate(f"{n} members: {error}")
    if not plans and refused is not None:
        raise refused
    if as_json:
        print_json("plan", {"unit": unit, "plans": [each.to_json() for each in plans]})
        return
    enough = next((each for each in plans if each.smallest_q <= WANTED_Q), None)
    narrate(
        f"{plans[0].units:,} units of {plans[0].works:,} works; q is for a shortlist of {min(SHORTLIST, plans[0].units)}"
    )
    if enough:
        narrate(f"{enough.n} members can support q <= {WANTED_Q}: creditline encode --unit {unit} --members {enough.n}")
    else:
        narrate(
            f"none of these has enough decoys for q <= {WANTED_Q}; try --members {min(plans[-1].n + 2, MAX_MEMBERS)}"
        )
    print_table(list(_LEGEND), [_row(each) for each in plans], legend=_LEGEND)


def _show_withdrawal_capacity(home: Path, encoding: str | None, ensemble: str | None, *, as_json: bool) -> None:
    from registry.members.serving import service_status
    from registry.planning.withdrawal_capacity import withdrawals_left
    from registry.storage.tables import Encoding
    from registry.works.queries import find_by_prefix

    if encoding is not None and ensemble is not None:
        raise UsageError("expected --encoding or --ensemble, not both")
    registry = open_registry(home)
    ensemble_id: str | None = None
    serving: list[int] | None = None
    if ensemble is not None:
        chosen = ensemble_named(registry, ensemble)
        encoding_id, ensemble_id, name = chosen.encoding_id, chosen.id, f"ensemble {chosen.id}"
        serving = [member.index for member in service_status(registry, chosen.id).serving]
    else:
        with registry.session() as session:
            encoding_id = find_by_prefix(session, Encoding, encoding or "").id
        name = f"encoding {encoding_id}"
    left = withdrawals_left(registry, encoding_id, serving)
    if as_json:
        print_json("plan", {"encoding": encoding_id, "ensemble": ensemble_id, **left.to_json()})
        return
    narrate(f"{name}: {in_words(left) if left.members else 'no member is in service; run `creditline retrain`'}")
    columns = ("members", "units", "certain", "smallest", "5 %", "median", "95 %")
    values = (left.members, f"{left.units:,}", left.guaranteed, left.smallest, left.low, left.median, left.high)
    print_table(columns, [values], legend=_CAPACITY_LEGEND)


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
