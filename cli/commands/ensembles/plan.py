"""``creditline plan``: compare numbers of members before training."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.commands.ensembles.encode import (
    WANTED_Q,
    ProbesOption,
    SeedOption,
    SupportOption,
    UnitOption,
    WeightOption,
    WithinOption,
    about_probes,
    group_of,
    unit_of,
)
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
    "support": "Number of members that may train on the works of one group; -: codes do not nest.",
    "weight": "Number of members trained on each unit.",
    "codes": "Number of units that there are codes for: in all members, or in the support of one group.",
    "works per member": "Fewest and most works that a member trains on.",
    "decoys": "Codes that belong to no unit; p-values are measured against them.",
    "best q": "Smallest q that a single unit can reach if no other unit is found with it.",
    "group decoys": "Supports that belong to no group; the test of a whole group draws from them.",
    "a unit leaves": "Members in service after the withdrawal of one unit.",
    "a group leaves": "Members in service after the withdrawal of one group: on average, and in the worst case.",
    "two groups leave": "The same for two groups.",
    "withdrawals": "Units that can be withdrawn, whichever they are, with a member left in service; in brackets: "
    "the same for random units, in 9 of 10 cases.",
    "cost": "Training time, relative to one model trained on all works.",
}
_CAPACITY_LEGEND = {
    "members": "Members in service.",
    "certain": "Units that can be withdrawn, whichever they are, with a member left in service.",
    "every order": "Units in random order that can be withdrawn in every simulated order.",
    "19 of 20 orders": "Units in random order that can be withdrawn in 95 % of the simulated orders.",
    "half of orders": "Units in random order that can be withdrawn in half of the simulated orders.",
    "1 of 20 orders": "Units in random order that can be withdrawn in 5 % of the simulated orders.",
}


def plan(
    members: Annotated[
        list[int] | None,
        typer.Option("--members", metavar="N", help="Number of members; may be repeated.", show_default="a range"),
    ] = None,
    unit: UnitOption = "asset",
    within: WithinOption = None,
    support: SupportOption = None,
    weight: WeightOption = None,
    seed: SeedOption = 0,
    probes: ProbesOption = None,
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
        creditline plan --within rightsholder --members 14 --members 18
        creditline plan --unit rightsholder --members 8 --members 12
        creditline plan --probes 5%
        creditline plan --ensemble 3fa2b1c09d11
    """
    if encoding is not None or ensemble is not None:
        _show_withdrawal_capacity(home, encoding, ensemble, as_json=as_json)
        return
    from registry.encodings.codes import default_weight, members_needed
    from registry.encodings.keys import CODE_FORMAT
    from registry.encodings.nested import default_support, fits, slots_for
    from registry.encodings.probes import choose_probes, share_of_text
    from registry.encodings.unit_works import unit_works
    from registry.encodings.words import MAX_MEMBERS
    from registry.encodings.works import LAWFUL
    from registry.planning.encoding_plan import SHORTLIST
    from registry.planning.encoding_plan import plan as plan_of

    with open_registry(home).connection() as connection:
        group = group_of(connection, unit, within, LAWFUL)
        shown = group or ("rightsholder" if unit == "asset" else None)
        works = unit_works(connection, *unit_of(unit), within=shown)
        kept_out = None if probes is None else choose_probes(works, share_of_text(probes), seed)
        if kept_out is not None:
            works = unit_works(connection, *unit_of(unit), within=shown, probes=kept_out)
        unit_of_work = works.unit_numbers()
        group_of_unit = None if shown is None else works.group_numbers()

    def sizes(n: int) -> tuple[int | None, int]:
        m = None if group is None else (default_support(n) if support is None else support)
        return m, default_weight(n if m is None else m) if weight is None else weight

    if group is None or group_of_unit is None:
        first = members_needed(works.units, CODE_FORMAT)
    else:
        slots = slots_for(group_of_unit)
        able = (
            n
            for n in range(4, MAX_MEMBERS + 1)
            if fits(n, default_support(n), default_weight(default_support(n)), *slots)
        )
        first = next(able, MAX_MEMBERS)
    choices = members or range(first, min(MAX_MEMBERS, first + PLANNED - 1) + 1)
    plans, refused = [], None
    for n in choices:
        m, h = sizes(n)
        try:
            plans.append(plan_of(unit_of_work, n, h, seed, m=m, group_of_unit=group_of_unit))
        except CapacityError as error:
            refused = error
            narrate(f"{n} members: {error}")
    if not plans and refused is not None:
        raise refused
    if as_json:
        further = {} if kept_out is None else {"probes": kept_out.num_rows}
        print_json("plan", {"unit": unit, "within": group, **further, "plans": [each.to_json() for each in plans]})
        return
    enough = next((each for each in plans if each.smallest_q <= WANTED_Q), None)
    narrate(
        f"{plans[0].units:,} units of {plans[0].works:,} works; q is for a shortlist of {min(SHORTLIST, plans[0].units)}"
    )
    if kept_out is not None:
        narrate(about_probes(kept_out.num_rows))
    if enough:
        nested = "--within none" if group is None else f"--within {group} --support {enough.m}"
        choice = f"--members {enough.n} --weight {enough.h}"
        if unit == "asset":
            choice = f"{nested} {choice}"
        choice += "" if probes is None else f" --probes {shlex.quote(probes)}"
        narrate(f"{enough.n} members can support q <= {WANTED_Q}: creditline encode --unit {unit} {choice}")
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
    columns = ("members", "units", "certain", "every order", "19 of 20 orders", "half of orders", "1 of 20 orders")
    values = (left.members, f"{left.units:,}", left.guaranteed, left.smallest, left.low, left.median, left.high)
    print_table(columns, [values], legend=_CAPACITY_LEGEND)


def _row(plan: Plan) -> list[object]:
    return [
        plan.n,
        "-" if plan.m is None else plan.m,
        plan.h,
        f"{plan.capacity:,}",
        f"{plan.fewest_works:,}-{plan.most_works:,}",
        f"{plan.decoys:,}",
        f"{plan.smallest_q:.2g}",
        "-" if plan.group_decoys is None else f"{plan.group_decoys:,}",
        plan.unit_survivors,
        *(_left(plan, k) for k in (1, 2)),
        f"{plan.withdrawals_guaranteed} ({plan.withdrawals.low}-{plan.withdrawals.high})",
        f"{plan.training_cost}x",
    ]


def _left(plan: Plan, k: int) -> str:
    """Members left after k groups: the average, and the worst case."""
    if len(plan.group_survivors) < k:
        return "-"
    left = plan.group_survivors[k - 1]
    return f"{left.expected:.1f} (at least {left.worst})"
