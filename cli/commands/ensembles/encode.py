"""``creditline encode``: give every unit its code."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated

import typer

from cli.opening import now, open_registry
from cli.options import HomeOption, JsonOption
from cli.output import narrate, plural, print_json
from registry.errors import CapacityError, UsageError
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    import duckdb

    from registry.permissions.rule import Permission

NO_GROUP = "none"
"""``--within`` for plain codes."""
WANTED_Q = 0.05
"""The largest q of a finding, by default in audits."""

UnitOption = Annotated[
    str,
    typer.Option("--unit", metavar="UNIT", help="asset, rightsholder, or a column: works with one value are one unit."),
]
WithinOption = Annotated[
    str | None,
    typer.Option(
        "--within",
        metavar="GROUP",
        help="rightsholder, or a column: the codes of one group's works nest in one support, so that members are left "
        "when the whole group is withdrawn. none: plain codes.",
        show_default="rightsholder where one has several works",
    ),
]
SupportOption = Annotated[
    int | None,
    typer.Option(
        "--support",
        metavar="M",
        help="With --within: number of members that may train on a group's works.",
        show_default="three quarters of the members",
    ),
]
WeightOption = Annotated[
    int | None,
    typer.Option(
        "--weight",
        metavar="H",
        help="Number of members trained on each unit.",
        show_default="just under half of the members, or of the support",
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of the assignment of codes to units.")]
ProbesOption = Annotated[
    str | None,
    typer.Option(
        "--probes",
        metavar="SHARE",
        help="Share of the works, such as 5%, to keep out of all members, at random. Images from outside are compared "
        "with them, so that an audit can say that an image was trained on.",
        show_default="none",
    ),
]

_LEFT_OUT = {
    "metadata only": "registered from metadata only",
    "missing": "missing",
    "no unit": "without a value in the unit's column",
    "not trained on by choice": "not trained on by choice, as probes",
}


def encode(
    members: Annotated[
        int | None,
        typer.Option(
            "--members", metavar="N", help="Number of members, 2 to 64.", show_default="the fewest that can find a work"
        ),
    ] = None,
    unit: UnitOption = "asset",
    within: WithinOption = None,
    support: SupportOption = None,
    weight: WeightOption = None,
    seed: SeedOption = 0,
    probes: ProbesOption = None,
    extend: Annotated[
        str | None,
        typer.Option(
            "--extend",
            metavar="ENCODING",
            help="Give later works codes beside those of an encoding: a new encoding with all of its units. Takes no sizes.",
        ),
    ] = None,
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

    Where a rightsholder has several works, their codes nest: only M of the N members may train on
    any of them. So N - M members serve on when the rightsholder leaves. `creditline plan` compares.

    Probes are works that no member ever trains on, not after a retraining either. With 19 or more,
    `creditline audit --image` can say that an image was trained on, with an error of at most 5 %.

    Examples:
        creditline encode
        creditline encode --within rightsholder --members 14 --support 11 --weight 5
        creditline encode --within none --members 10
        creditline encode --members 16 --probes 5%
        creditline encode --extend 3fa2b1c09d11
        creditline encode --unit rightsholder --members 12 --weight 4 --seed 1
        creditline encode --unit category --members 8 --only-permitted
    """
    from registry.encodings.extension import extend_encoding
    from registry.encodings.probes import probe_ids, share_of_text
    from registry.encodings.store import create_encoding, idle_members, load_codes
    from registry.encodings.works import LAWFUL, left_out, taken_in
    from registry.permissions.rule import Permission
    from registry.planning.encoding_plan import SHORTLIST, plan_of_encoding
    from registry.storage.tables import Encoding
    from registry.works.queries import find_by_prefix

    if only_permitted and include_forbidden:
        raise UsageError("expected --only-permitted or --include-forbidden, not both")
    registry = open_registry(home)
    permissions = {Permission.PERMITTED} if only_permitted else LAWFUL
    if include_forbidden:
        permissions = LAWFUL | {Permission.PROHIBITED}
    if extend is not None:
        if (members, within, support, weight, seed, unit, probes) != (None, None, None, None, 0, "asset", None):
            raise UsageError(
                "--extend keeps the choices of the encoding; leave out all sizes, --unit, --within, --seed and --probes"
            )
        with registry.session() as session:
            extended = find_by_prefix(session, Encoding, extend).id
        encoding = extend_encoding(registry, extended, now(), permissions=permissions, reason=reason)
    else:
        with registry.connection() as connection:
            group = group_of(connection, unit, within, permissions)
            n, m, h = sizes_of(connection, unit, group, permissions, members, support, weight)
        encoding = create_encoding(
            registry,
            *unit_of(unit),
            n,
            h,
            seed,
            now(),
            permissions=permissions,
            reason=reason,
            within=group,
            support=m,
            probes=None if probes is None else share_of_text(probes),
        )
    units = load_codes(registry, encoding.id)
    made = None if units.groups is None else units.groups.codes
    facts = plan_of_encoding(units)
    with registry.connection() as connection:
        # Permissions of today: an encoding asked for again may leave out more than at first.
        kept_out = probe_ids(connection, encoding.id)
        outside = left_out(connection, encoding.id, permissions, kept_out)
        taken = taken_in(connection, encoding.id)
    if idle := idle_members(units.codes, encoding.n):
        narrate(
            f"with so few units, {len(idle)} of {encoding.n} members have no work and cannot be trained; use fewer members, a "
            "larger --weight or another --seed"
        )
    if as_json:
        fields = {name: getattr(encoding, name) for name in ("id", "unit_kind", "unit_column", "n", "h", "seed")}
        fields |= {"code_format": units.code_format, "extends": extend and extended}
        fields |= {"within": made and made.within, "support": made and made.support, "probes": kept_out.num_rows}
        fields |= {"created_at": encoding.created_at.isoformat(), "works_outside": sum(outside.values())}
        print_json("encode", {**fields, "left_out": outside, "permissions": taken, "plan": facts.to_json()})
        return
    typer.echo(encoding.id)
    narrate(
        f"encoding {encoding.id}: {facts.units:,} units of {facts.works:,} works, n = {facts.n}, h = {facts.h}; "
        f"{facts.decoys:,} decoys; the best q of a single unit is {facts.smallest_q:.2g}"
    )
    if made is not None:
        left = facts.n - (facts.m or 0)
        narrate(
            f"codes nest within {made.within}: {facts.groups:,} groups with a support of {facts.m} of {facts.n} members each; "
            f"when any one of them is withdrawn, {plural(left, 'member')} serve{'s' if left == 1 else ''} on"
        )
    if kept_out.num_rows:
        narrate(about_probes(kept_out.num_rows))
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


def about_probes(probes: int) -> str:
    """The number of probes, and the smallest p-value that they can give."""
    from registry.encodings.probes import LEVEL, fewest_probes, smallest_p

    least = f"{plural(probes, 'work')} kept out of all members, as probes; the smallest p of an image that was trained on is "
    least += f"{smallest_p(probes):.2g}"
    if probes >= fewest_probes():
        return least
    return (
        f"{least}, above {LEVEL:g}: no image could be said to be trained on; choose a larger --probes, to keep "
        f"{fewest_probes()} works or more out"
    )


def unit_of(name: str) -> tuple[str, str | None]:
    """The kind of unit and the column named by ``--unit``."""
    return (name, None) if name in ("asset", "rightsholder") else ("column", name)


def group_of(
    connection: duckdb.DuckDBPyConnection, unit: str, within: str | None, permissions: Collection[Permission]
) -> str | None:
    """The group whose works' codes nest; by default, rightsholders if one has several works."""
    from registry.encodings.works import several_works_of_one

    if within is not None:
        return None if within == NO_GROUP else within
    return "rightsholder" if unit == "asset" and several_works_of_one(connection, permissions) else None


def sizes_of(
    connection: duckdb.DuckDBPyConnection,
    unit: str,
    group: str | None,
    permissions: Collection[Permission],
    members: int | None,
    support: int | None,
    weight: int | None,
) -> tuple[int, int | None, int]:
    """Members, support (None: plain codes) and weight: as given, or the fewest that do."""
    from registry.encodings.codes import default_weight, members_needed
    from registry.encodings.keys import CODE_FORMAT
    from registry.encodings.nested import DECOYS_WANTED, default_support, sizes_that_do, slots_of_sizes
    from registry.encodings.works import group_sizes, unit_count

    if group is None and support is not None:
        raise UsageError(f"got --support {support} without --within; leave it out, or name a group")
    if members is None:
        if group is None:
            members = members_needed(unit_count(connection, *unit_of(unit), permissions) + DECOYS_WANTED, CODE_FORMAT)
        else:
            found = sizes_that_do(*slots_of_sizes(*group_sizes(connection, group, permissions)))
            if found is None:
                raise CapacityError("these works do not nest in up to 64 members; give --within none for plain codes")
            members = found[0]
    if group is None:
        return members, None, default_weight(members) if weight is None else weight
    support = default_support(members) if support is None else support
    return members, support, default_weight(support) if weight is None else weight
