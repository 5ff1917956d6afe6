"""``creditline rightsholder`` and ``owners``: who owns it, what is known of whom, and who said
so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.common import HomeOption, JsonOption, home_at, narrate, plain_row, print_json, print_table, printable
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    import duckdb

    from registry.rightsholders.identifiers import Identifier

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Its exact name, or '#<number>'.")]


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    group = typer.Typer(no_args_is_help=True, help="Show, describe and merge rightsholders.", rich_markup_mode="rich")
    group.command("show")(show)
    group.command("set")(describe)
    group.command("merge")(merge)
    group.command("history")(history)
    app.add_typer(group, name="rightsholder")
    app.command("owners")(owners)


def show(name: NameArgument, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Show what is known of a rightsholder: contact, identifiers, representation, works, claims.

    Examples:
        creditline rightsholder show "Ada Example"

        creditline rightsholder show '#17' --json
    """
    from registry.rightsholders.owners import rightsholder_facts
    from registry.storage.database import Registry
    from registry.works.lookup import resolve_rightsholder

    with Registry.open(home_at(home)).connection() as connection:
        found = rightsholder_facts(connection, resolve_rightsholder(connection, name))
    if as_json:
        print_json("rightsholder", found.to_json())
        return
    lines: list[tuple[str, object]] = [
        ("rightsholder", f"{found.name} (#{found.rightsholder_id})"),
        *(("also recorded as", f"{row['name']} (#{row['id']}): {row['reason']}") for row in found.merged),
        ("kind", found.details.kind),
        ("contact", found.details.contact),
        ("represented by", found.represented_by and f"{found.represented_by} (#{found.details.represented_by})"),
        *(("represents", f"{row['name']} (#{row['id']})") for row in found.represents),
        *((identifier.scheme, identifier.value) for identifier in found.identifiers),
        ("note", found.details.note),
        ("works", f"{found.works:,}"),
        *((f"works {permission}", f"{number:,}") for permission, number in found.permissions.items()),
        *(("works with others", f"{row['works']:,} as {row['role'] or 'owner'}") for row in found.co_owned),
        ("open claims of its own", ", ".join(map(str, found.open_claims))),
        ("works claimed by others", found.contested_works or None),
    ]
    _print_lines([(label, value) for label, value in lines if value])
    for row in found.shared_identifiers:
        narrate(
            printable(
                f"{row['identifier']} is also recorded for {row['name']} (#{row['id']}); if they are one, run "
                f"`creditline rightsholder merge '#{row['id']}' --into '#{found.rightsholder_id}' --reason ...`"
            )
        )


def describe(
    name: NameArgument,
    kind: Annotated[
        str | None, typer.Option("--kind", help="person, organisation, collective, estate or other.")
    ] = None,
    contact: Annotated[str | None, typer.Option("--contact", help="How to reach it.")] = None,
    represented_by: Annotated[
        str | None, typer.Option("--represented-by", metavar="NAME", help="Who speaks for it: an agency, a society.")
    ] = None,
    note: Annotated[str | None, typer.Option("--note", help="Anything else.")] = None,
    isni: Annotated[str | None, typer.Option("--isni", help="16 digits.")] = None,
    orcid: Annotated[str | None, typer.Option("--orcid", help="16 digits.")] = None,
    wikidata: Annotated[str | None, typer.Option("--wikidata", help="Q and a number.")] = None,
    identifier: Annotated[
        list[str] | None, typer.Option("--identifier", metavar="SCHEME:VALUE", help="Of any scheme; more than once.")
    ] = None,
    new: Annotated[bool, typer.Option("--new", help="Make the record if there is none of this name.")] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Record what is known of a rightsholder. What is not given stays; '' takes a field back; all
    of it is kept.

    Examples:
        creditline rightsholder set "Ada Example" --kind person --contact ada@example.org --isni
        "0000 0001 2103 2683"

        creditline rightsholder set "Example Pictures" --kind organisation --new

        creditline rightsholder set "Ada Example" --represented-by "Example Pictures" --identifier
        ipi:00045620792
    """
    from datetime import UTC, datetime

    from registry.rightsholders.identifiers import parse_identifier, read_identifier
    from registry.rightsholders.owners import rightsholder_facts
    from registry.rightsholders.records import KEEP, add_rightsholder, describe_rightsholder
    from registry.storage.database import Registry
    from registry.works.lookup import resolve_rightsholder

    numbers: list[Identifier] = [
        read_identifier(scheme, value)
        for scheme, value in (("isni", isni), ("orcid", orcid), ("wikidata", wikidata))
        if value is not None
    ]
    numbers += [parse_identifier(text) for text in identifier or []]
    registry, now = Registry.open(home_at(home)), datetime.now(UTC)
    with registry.connection() as connection:
        speaker = resolve_rightsholder(connection, represented_by) if represented_by else None
        rightsholder_id = None if new else resolve_rightsholder(connection, name)
    if rightsholder_id is None:
        rightsholder_id = add_rightsholder(registry, name, now)
    changed = describe_rightsholder(
        registry,
        rightsholder_id,
        kind=KEEP if kind is None else kind or None,
        contact=KEEP if contact is None else contact,
        represented_by=KEEP if represented_by is None else speaker,
        note=KEEP if note is None else note,
        identifiers=numbers,
        now=now,
    )
    with registry.connection() as connection:
        found = rightsholder_facts(connection, rightsholder_id)
    if as_json:
        print_json("rightsholder", {**found.to_json(), "changed": changed})
        return
    done = "described" if changed else "nothing new to record"
    typer.echo(printable(f"{found.name} (#{found.rightsholder_id}): {done}"))
    for row in found.shared_identifiers:
        narrate(
            printable(f"{row['identifier']} is also recorded for {row['name']} (#{row['id']}): perhaps they are one")
        )


def merge(
    name: NameArgument,
    into: Annotated[str, typer.Option("--into", metavar="NAME", help="The record that is to count.")],
    reason: Annotated[str, typer.Option("--reason", help="Why they are the same.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Let two records of the same rightsholder count as one; both stay on record.

    Works, decisions and withdrawals of NAME are the other's from now on, also works that are
    registered under NAME later.

    Examples:
        creditline rightsholder merge "A. Example" --into "Ada Example" --reason "same person, her
        letter of 3 May"
    """
    from datetime import UTC, datetime

    from registry.rightsholders.records import merge_rightsholders
    from registry.storage.database import Registry
    from registry.works.lookup import resolve_rightsholder

    registry = Registry.open(home_at(home))
    with registry.connection() as connection:
        ends = resolve_rightsholder(connection, name), resolve_rightsholder(connection, into)
        names = _names(connection, *ends)
    done = merge_rightsholders(registry, *ends, reason, datetime.now(UTC))
    if as_json:
        print_json("rightsholder-merge", {**vars(done), "merged": names[0], "into": names[1]})
        return
    typer.echo(
        printable(
            f"{names[0]} (#{done.merged_id}) counts as {names[1]} (#{done.into_id}): {done.works:,} works, "
            f"{done.permissions_changed:,} permissions changed"
        )
    )


def history(name: NameArgument, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Show all that was ever recorded of a rightsholder, and who recorded it.

    Examples:
        creditline rightsholder history "Ada Example"
    """
    from registry.rightsholders.owners import rightsholder_history
    from registry.storage.database import Registry
    from registry.works.lookup import resolve_rightsholder

    with Registry.open(home_at(home)).connection() as connection:
        number = resolve_rightsholder(connection, name)
        found = rightsholder_history(connection, number)
    if as_json:
        rows = {kind: [plain_row(row) for row in records] for kind, records in found.items()}
        print_json("rightsholder-history", {"rightsholder_id": number, **rows})
        return
    for row in found["records"]:
        merged = f", merged into #{row['merged_into']}" if row["merged_into"] is not None else ""
        typer.echo(printable(f"#{row['id']} {row['name']}, on record since {row['created_at']:%Y-%m-%d %H:%M}{merged}"))
    columns = ("sequence", "recorded_at", "actor", "kind", "subject", "before", "after")
    print_table(columns, [[row[name] for name in columns] for row in found["events"]])


def owners(
    works: Annotated[
        list[str], typer.Argument(metavar="WORK...", help="Number, SHA-256 (or its start), or '<data set>:<path>'.")
    ],
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Show everything that was ever said about whose a work is: all owners with role and share,
    newest first.

    Examples:
        creditline owners 17 photographs:alps/peak.jpg
    """
    from registry.rightsholders.owners import owners_of
    from registry.storage.database import Registry
    from registry.works.lookup import resolve_works

    with Registry.open(home_at(home)).connection() as connection:
        rows = owners_of(connection, resolve_works(connection, works))
    if as_json:
        print_json("owners", {"owners": [plain_row(row) for row in rows]})
        return
    columns = (
        "asset_id",
        "counts",
        "basis",
        "rightsholder",
        "role",
        "share",
        "licence",
        "recorded_from",
        "recorded_at",
    )
    print_table(columns, [[_owner_cell(row, column) for column in columns] for row in rows])
    if not rows:
        narrate("nobody has said whose these works are")


def _owner_cell(row: dict[str, Any], column: str) -> object:
    if column == "counts":
        return "yes" if row["counts"] else ""
    if column == "share":
        return None if row["share"] is None else f"{row['share']:.4g}"
    if column == "rightsholder" and row["stated_as"] != row["rightsholder"]:
        return f"{row['rightsholder']} (as {row['stated_as']})"
    return row[column]


def _names(connection: duckdb.DuckDBPyConnection, *ids: int) -> list[str]:
    rows = connection.execute("SELECT id, name FROM rightsholder WHERE list_contains(?, id)", [list(ids)]).fetchall()
    names = dict(rows)
    return [str(names[number]) for number in ids]


def _print_lines(lines: list[tuple[str, Any]]) -> None:
    width = max(len(label) for label, _ in lines)
    for label, value in lines:
        typer.echo(f"{printable(label):<{width}}  {printable(value)}")
