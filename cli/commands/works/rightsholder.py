"""``creditline rightsholder``: show, describe and merge rightsholders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.asking import DryRunOption, YesOption, ask
from cli.opening import now, open_registry
from cli.options import HomeOption, JsonOption
from cli.output import echo, narrate, plain_row, print_fields, print_json, print_table, subject_in_words
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from registry.rightsholders.records import Merged

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Rightsholder: exact name or '#ID'.")]

rightsholder = typer.Typer(
    no_args_is_help=True,
    help="""Show, describe and merge rightsholders.

    Examples:
        creditline rightsholder show "Ada Example"
    """,
)


@rightsholder.command("show")
def show(name: NameArgument, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Show a rightsholder: contact, identifiers, representation, works and claims.

    Examples:
        creditline rightsholder show "Ada Example"
        creditline rightsholder show '#17' --json
    """
    from registry.rightsholders.owners import rightsholder_facts
    from registry.works.lookup import resolve_rightsholder

    with open_registry(home).connection() as connection:
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
        ("own open claims", ", ".join(map(str, found.open_claims))),
        ("works claimed by others", found.contested_works or None),
    ]
    print_fields([(label, value) for label, value in lines if value])
    for row in found.shared_identifiers:
        narrate(
            f"{row['identifier']} is also recorded for {row['name']} (#{row['id']}); to merge the two records, run "
            f"`creditline rightsholder merge '#{row['id']}' --into '#{found.rightsholder_id}' --reason TEXT`"
        )


@rightsholder.command("set")
def describe(
    name: NameArgument,
    kind: Annotated[
        str | None,
        typer.Option("--kind", metavar="KIND", help="person, organisation, collective, estate or other."),
    ] = None,
    contact: Annotated[
        str | None, typer.Option("--contact", metavar="TEXT", help="Contact, such as an e-mail address.")
    ] = None,
    represented_by: Annotated[
        str | None,
        typer.Option("--represented-by", metavar="NAME", help="Agency or society that represents the rightsholder."),
    ] = None,
    note: Annotated[str | None, typer.Option("--note", metavar="TEXT", help="Free text.")] = None,
    isni: Annotated[str | None, typer.Option("--isni", metavar="ISNI", help="16 digits.")] = None,
    orcid: Annotated[str | None, typer.Option("--orcid", metavar="ORCID", help="16 digits.")] = None,
    wikidata: Annotated[str | None, typer.Option("--wikidata", metavar="QID", help="Q and a number.")] = None,
    identifier: Annotated[
        list[str] | None,
        typer.Option("--identifier", metavar="SCHEME:VALUE", help="Identifier of any scheme; may be repeated."),
    ] = None,
    new: Annotated[bool, typer.Option("--new", help="Create a rightsholder of this name.")] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Record the kind, contact, representation, note and identifiers of a rightsholder.

    Fields that are not given stay as they are; '' clears a field. The log keeps every former value.

    Examples:
        creditline rightsholder set "Ada Example" --kind person --isni "0000 0001 2103 2683"
        creditline rightsholder set "Example Pictures" --kind organisation --new
        creditline rightsholder set "Ada Example" --represented-by "Example Pictures"
        creditline rightsholder set "Ada Example" --identifier ipi:00045620792
    """
    from registry.rightsholders.identifiers import parse_identifier, read_identifier
    from registry.rightsholders.owners import rightsholder_facts
    from registry.rightsholders.records import KEEP, add_rightsholder, describe_rightsholder
    from registry.works.lookup import resolve_rightsholder

    schemes = (("isni", isni), ("orcid", orcid), ("wikidata", wikidata))
    identifiers = [read_identifier(scheme, value) for scheme, value in schemes if value is not None]
    identifiers += [parse_identifier(text) for text in identifier or []]
    registry, time = open_registry(home), now()
    with registry.connection() as connection:
        representative = resolve_rightsholder(connection, represented_by) if represented_by else None
        rightsholder_id = None if new else resolve_rightsholder(connection, name)
    if rightsholder_id is None:
        rightsholder_id = add_rightsholder(registry, name, time)
    changed = describe_rightsholder(
        registry,
        rightsholder_id,
        kind=KEEP if kind is None else kind or None,
        contact=KEEP if contact is None else contact,
        represented_by=KEEP if represented_by is None else representative,
        note=KEEP if note is None else note,
        identifiers=identifiers,
        now=time,
    )
    with registry.connection() as connection:
        found = rightsholder_facts(connection, rightsholder_id)
    if as_json:
        print_json("rightsholder", {**found.to_json(), "changed": changed})
        return
    echo(f"{found.name} (#{found.rightsholder_id}): {'described' if changed else 'nothing new to record'}")
    for row in found.shared_identifiers:
        narrate(
            f"{row['identifier']} is also recorded for {row['name']} (#{row['id']}): the two may be one rightsholder"
        )


@rightsholder.command("merge")
def merge(
    name: NameArgument,
    into: Annotated[str, typer.Option("--into", metavar="NAME", help="The rightsholder that remains: name or '#ID'.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why the two are the same.")],
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Merge two records of one rightsholder; both stay on record. This cannot be undone.

    Works, decisions and withdrawals of NAME then belong to the other record. So do works that are
    registered under NAME later. The command shows first what changes, and asks.

    Examples:
        creditline rightsholder merge "A. Example" --into "Ada Example" --reason "letter of 3 May"
    """
    from registry.ingest.dry_run import scratch_copy
    from registry.rightsholders.records import merge_rightsholders
    from registry.works.lookup import resolve_rightsholder

    registry = open_registry(home)
    with registry.connection() as connection:
        ends = resolve_rightsholder(connection, name), resolve_rightsholder(connection, into)
        names = _names(connection, *ends)
    if dry_run or not yes:
        # Where a withdrawal counts for both, many works may change.
        with scratch_copy(registry) as copy:
            done = merge_rightsholders(copy, *ends, reason, now())
        narrate(f"after the merge, {_merged(done, names)}")
    if not dry_run:
        ask(f"Merge {names[0]} into {names[1]}?", yes=yes)
        done = merge_rightsholders(registry, *ends, reason, now())
    if as_json:
        print_json("rightsholder-merge", {"dry_run": dry_run, **vars(done), "merged": names[0], "into": names[1]})
    elif dry_run:
        narrate("a dry run: nothing was recorded")
    else:
        echo(_merged(done, names))


def _merged(done: Merged, names: Sequence[str]) -> str:
    return (
        f"{names[0]} (#{done.merged_id}) counts as {names[1]} (#{done.into_id}): {done.works:,} works, "
        f"{done.permissions_changed:,} permissions changed"
    )


@rightsholder.command("history")
def history(name: NameArgument, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Show every recorded change to a rightsholder, with its author.

    Examples:
        creditline rightsholder history "Ada Example"
    """
    from registry.rightsholders.owners import rightsholder_history
    from registry.works.lookup import resolve_rightsholder

    with open_registry(home).connection() as connection:
        rightsholder_id = resolve_rightsholder(connection, name)
        found = rightsholder_history(connection, rightsholder_id)
    if as_json:
        rows = {kind: [plain_row(row) for row in records] for kind, records in found.items()}
        print_json("rightsholder-history", {"rightsholder_id": rightsholder_id, **rows})
        return
    for row in found["records"]:
        merged = f", merged into #{row['merged_into']}" if row["merged_into"] is not None else ""
        echo(f"#{row['id']} {row['name']}, on record since {row['created_at']:%Y-%m-%d %H:%M}{merged}")
    columns = ("sequence", "recorded_at", "actor", "kind", "subject", "before", "after")
    events = [{**row, "subject": subject_in_words(row["subject"])} for row in found["events"]]
    print_table(columns, [[row[column] for column in columns] for row in events])


def _names(connection: duckdb.DuckDBPyConnection, *ids: int) -> list[str]:
    rows = connection.execute("SELECT id, name FROM rightsholder WHERE list_contains(?, id)", [list(ids)]).fetchall()
    names = dict(rows)
    return [str(names[each]) for each in ids]
