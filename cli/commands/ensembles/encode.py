"""``creditline encode``: give every unit its code."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.opening import now, open_registry
from cli.options import HomeOption, JsonOption
from cli.output import narrate, print_json
from registry.errors import UsageError
from registry.home import DEFAULT_HOME

WANTED_Q = 0.05
"""The largest q of a finding, by default in audits."""

UnitOption = Annotated[
    str,
    typer.Option("--unit", metavar="UNIT", help="asset, rightsholder, or a column: works with one value are one unit."),
]
WeightOption = Annotated[
    int | None,
    typer.Option(
        "--weight", metavar="H", help="Number of members trained on each unit.", show_default="half of the members"
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of the assignment of codes to units.")]

_LEFT_OUT = {
    "metadata only": "registered from metadata only",
    "missing": "missing",
    "no unit": "without a value in the unit's column",
}


def encode(
    members: Annotated[int, typer.Option("--members", metavar="N", help="Number of members, 2 to 64.")],
    unit: UnitOption = "asset",
    weight: WeightOption = None,
    seed: SeedOption = 0,
    only_permitted: Annotated[
        bool, typer.Option("--only-permitted", help="Also leave out works that are unclear or constrained.")
    ] = False,
    include_forbidden: Annotated[
        bool,
        typer.Option(
            "--include-forbidden", help="Also include prohibited works, never withdrawn ones. Needs --reason."
        ),
    ] = False,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Reason for --include-forbidden; kept in the log.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Give every unit of the registered works a code: the members that will train on it.

    An encoding never changes: works that are registered later are not in it. The same options for
    the same works give the same encoding. Works that are prohibited, withdrawn, missing or
    registered from metadata only are left out.

    Examples:
        creditline encode --unit asset --members 10
        creditline encode --unit rightsholder --members 12 --weight 4 --seed 1
        creditline encode --unit category --members 8 --only-permitted
    """
    import pyarrow as pa

    from registry.encodings.store import LAWFUL, create_encoding, idle_members, left_out, load_units, taken_in
    from registry.permissions.rule import Permission
    from registry.planning.encoding_plan import SHORTLIST, plan

    if only_permitted and include_forbidden:
        raise UsageError("expected --only-permitted or --include-forbidden, not both")
    registry = open_registry(home)
    permissions = {Permission.PERMITTED} if only_permitted else LAWFUL
    if include_forbidden:
        permissions = LAWFUL | {Permission.PROHIBITED}
    encoding = create_encoding(
        registry,
        *unit_of(unit),
        members,
        weight_of(weight, members),
        seed,
        now(),
        permissions=permissions,
        reason=reason,
    )
    units = load_units(registry, encoding.id)
    facts = plan(units.unit_numbers, encoding.n, encoding.h, encoding.seed)
    with registry.connection() as connection:
        # Permissions of today: an encoding asked for again may leave out more than at first.
        outside = left_out(connection, pa.table({"asset_id": units.asset_ids}), permissions)
        taken = taken_in(connection, units.asset_ids)
    if idle := idle_members(units.codes, encoding.n):
        narrate(
            f"with so few units, {len(idle)} of {encoding.n} members have no work and cannot be trained; use fewer members, a "
            "larger --weight or another --seed"
        )
    if as_json:
        fields = {name: getattr(encoding, name) for name in ("id", "unit_kind", "unit_column", "n", "h", "seed")}
        fields |= {"created_at": encoding.created_at.isoformat(), "works_outside": sum(outside.values())}
        print_json("encode", {**fields, "left_out": outside, "permissions": taken, "plan": facts.to_json()})
        return
    typer.echo(encoding.id)
    narrate(
        f"encoding {encoding.id}: {facts.units:,} units of {facts.works:,} works, n = {facts.n}, h = {facts.h}; "
        f"{facts.decoys:,} decoys; the best q of a single unit is {facts.smallest_q:.2g}"
    )
    if outside:
        counted = ", ".join(f"{number:,} {_LEFT_OUT.get(why, why)}" for why, number in outside.items())
        narrate(f"left out: {counted}; see `creditline rights --why`")
    if doubtful := {name: number for name, number in taken.items() if name != Permission.PERMITTED}:
        counted = ", ".join(f"{number:,} {name}" for name, number in doubtful.items())
        narrate(f"of the works in it, {counted}; --only-permitted leaves these out, see `creditline rights --why`")
    if facts.smallest_q > WANTED_Q:
        narrate(
            f"so few decoys cannot support q <= {WANTED_Q} for a shortlist of {SHORTLIST}; use more members "
            f"(`creditline plan --unit {unit}` compares numbers of members)"
        )


def unit_of(name: str) -> tuple[str, str | None]:
    """The kind of unit and the column named by ``--unit``."""
    return (name, None) if name in ("asset", "rightsholder") else ("column", name)


def weight_of(given: int | None, members: int) -> int:
    """``--weight``, or half of the members."""
    return members // 2 if given is None else given
