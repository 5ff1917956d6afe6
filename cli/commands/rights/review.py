"""``creditline review``, ``confirm``, ``policy`` and ``policies``: what somebody here decided,
checked or was given.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.common import HomeOption, JsonOption, WorksArgument, home_at, narrate, plain_row, print_json, print_table
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    import duckdb


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("review")(review)
    app.command("confirm")(confirm)
    app.command("policy")(record_site_policy)
    app.command("policies")(list_policies)


def review(
    permission: Annotated[
        str, typer.Option("--permission", help="permitted, constrained, prohibited; none takes a decision back.")
    ],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")],
    works: WorksArgument = None,
    rightsholder: Annotated[
        str | None, typer.Option("--rightsholder", metavar="NAME", help="All works of this one, later ones too.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--licence", metavar="REF", help="All works under this one, later ones too.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="DATASET", help="All works of this source, later ones too.")
    ] = None,
    condition: Annotated[
        str | None, typer.Option("--condition", metavar="TEXT", help="What a constrained use depends on.")
    ] = None,
    evidence: Annotated[
        str | None, typer.Option("--evidence", metavar="TEXT", help="Such as the number of a contract.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Decide whether works may be trained on.

    A decision about a work stands for it. One about a rightsholder, a licence or a source comes
    before all that was declared or signalled, and of several the strictest counts. Nothing
    outweighs a withdrawal.

    Examples:
        creditline review 17 --permission permitted --reason "ours" --evidence "contract 12"

        creditline review --licence CC-BY-NC-4.0 --permission prohibited --reason "the model is
        sold"

        creditline review --rightsholder "Ada Example" --permission none --reason "the contract
        ended"
    """
    from dataclasses import asdict
    from datetime import UTC, datetime

    from registry.errors import UsageError
    from registry.permissions.reviews import DECISIONS, record_review
    from registry.permissions.rule import Permission
    from registry.storage.database import Registry

    decisions = {str(each): each for each in DECISIONS}
    if permission not in {*decisions, "none"}:
        raise UsageError(f"got the permission {permission!r}, expected one of {', '.join(decisions)}, none")
    decided: Permission | None = decisions.get(permission)
    registry = Registry.open(home_at(home))
    with registry.connection() as connection:
        scope, subjects = _subjects(connection, works, rightsholder, licence, source)
    report = record_review(
        registry, scope, subjects, decided, reason, condition=condition, evidence=evidence, now=datetime.now(UTC)
    )
    if as_json:
        print_json("review", {"scope": scope, "permission": decided, **asdict(report)})
    else:
        typer.echo(f"{report.reviews:,} decisions recorded, about {report.works:,} works")
        narrate(f"the permission of {report.permissions_changed:,} works changed; `creditline rights` says why")


def _subjects(
    connection: duckdb.DuckDBPyConnection,
    works: list[str] | None,
    rightsholder: str | None,
    licence: str | None,
    source: str | None,
) -> tuple[str, list[int]]:
    """Scope and ids of what a review is about."""
    from registry.errors import NotFoundError, UsageError
    from registry.works.lookup import resolve_rightsholder, resolve_works

    if sum(bool(each) for each in (works, rightsholder, licence, source)) != 1:
        raise UsageError("got no subject or several; give works, --rightsholder, --licence or --source, one of them")
    if works:
        return "asset", resolve_works(connection, works)
    if rightsholder:
        return "rightsholder", [resolve_rightsholder(connection, rightsholder)]
    if licence:
        # References with one SPDX expression are one licence, so any of them stands for all.
        query, scope, name = "SELECT min(id) FROM licence WHERE reference = ? OR spdx = ?", "licence", licence
    else:
        query, scope, name = "SELECT min(id) FROM data_set WHERE name = ?", "data set", source or ""
    number = connection.execute(query, [name] * query.count("?")).fetchall()[0][0]
    if number is None:
        command = "creditline licences" if licence else "creditline data-sets"
        raise NotFoundError(f"no {scope} {name!r}; `{command}` lists them")
    return scope, [int(number)]


def confirm(
    works: Annotated[list[str], typer.Argument(metavar="WORK...", help="A number, a SHA-256, or DATASET:PATH.")],
    origin: Annotated[str, typer.Option("--from", metavar="TEXT", help="What was looked at, such as a contract.")],
    rightsholder: Annotated[
        str | None, typer.Option("--rightsholder", metavar="NAME", help="Whose they are; a new name, or #NUMBER.")
    ] = None,
    licence: Annotated[str | None, typer.Option("--licence", metavar="REF", help="Under which licence.")] = None,
    title: Annotated[str | None, typer.Option("--title", metavar="TEXT")] = None,
    creator: Annotated[str | None, typer.Option("--creator", metavar="NAME", help="Who made them.")] = None,
    source_url: Annotated[str | None, typer.Option("--source-url", metavar="URL", help="Where they are from.")] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Record rights that somebody has checked; they come before declared ones.

    What is not given stays as it is: confirming a licence leaves the owner.

    Examples:
        creditline confirm 17 --rightsholder "Ada Example" --from "contract 12"

        creditline confirm harvest:deep/star.png --licence CC0-1.0 --from "letter of 3 March"
    """
    from dataclasses import asdict
    from datetime import UTC, datetime

    from registry.rightsholders.verified_rights import verify_rights
    from registry.storage.database import Registry
    from registry.works.lookup import resolve_rightsholder, resolve_works

    registry = Registry.open(home_at(home))
    with registry.connection() as connection:
        ids = resolve_works(connection, works)
        numbered = rightsholder is not None and rightsholder.startswith("#")
        owner = resolve_rightsholder(connection, rightsholder) if numbered and rightsholder else rightsholder
    report = verify_rights(
        registry,
        ids,
        rightsholder=owner,
        licence=licence,
        title=title,
        creator=creator,
        source_url=source_url,
        recorded_from=origin,
        now=datetime.now(UTC),
    )
    if as_json:
        print_json("confirm", asdict(report))
    else:
        typer.echo(f"rights of {report.recorded:,} works recorded as verified")
        narrate(f"the permission of {report.permissions_changed:,} works changed")


def record_site_policy(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A tdmrep.json, a robots.txt, or a Content-Usage value.")
    ],
    domain: Annotated[str, typer.Option("--domain", metavar="HOST", help="The host that served it.")],
    kind: Annotated[
        str | None, typer.Option("--kind", help="tdmrep, robots or aipref.", show_default="by the file's name")
    ] = None,
    agents: Annotated[
        list[str] | None,
        typer.Option(
            "--agent",
            metavar="NAME",
            help="A crawler that collected the works; may be repeated.",
            show_default="those that gather for training",
        ),
    ] = None,
    subdomains: Annotated[
        bool, typer.Option("--subdomains", help="It speaks for the hosts below the domain, too.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Put a site's policy on record: it counts for all works from there, those that come later too.

    Nothing is fetched: give the file as it was when the works were collected. A newer file of the
    same kind for the same domain takes its place.

    Examples:
        creditline policy tdmrep.json --domain example.org

        creditline policy robots.txt --domain example.org --agent CCBot --subdomains
    """
    from dataclasses import asdict
    from datetime import UTC, datetime

    from registry.site_policies.store import record_policy
    from registry.storage.database import Registry

    report = record_policy(
        Registry.open(home_at(home)),
        _content(file),
        kind or _kind(file.name),
        domain,
        file.name,
        agents=agents or (),
        subdomains=subdomains,
        now=datetime.now(UTC),
    )
    for problem in report.problems:
        narrate(f"not understood: {problem}")
    if as_json:
        print_json("policy", asdict(report))
        return
    if report.recorded:
        typer.echo(f"policy {report.policy_id} of {report.domain}: it speaks of {report.works_with_signals:,} works")
    else:
        typer.echo(f"policy {report.policy_id} of {report.domain} is this file already; nothing was changed")
    narrate(
        f"{report.works:,} works are from there; the permission of {report.permissions_changed:,} changed"
        + (f"; it takes the place of policy {report.superseded[0]}" if report.superseded else "")
    )


def _content(file: Path) -> bytes:
    from registry.errors import InputError
    from registry.site_policies.interface import LARGEST_FILE

    try:
        with file.open("rb") as opened:
            return opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from error


def _kind(name: str) -> str:
    from registry.errors import UsageError

    if name.lower().endswith(".json"):
        return "tdmrep"
    if name.lower() == "robots.txt":
        return "robots"
    raise UsageError(f"the name {name!r} does not say what it is; give --kind tdmrep, robots or aipref")


def list_policies(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """List the policies of sites on record, those that count and former ones.

    Examples:
        creditline policies
    """
    from registry.site_policies.store import policies
    from registry.storage.database import Registry

    with Registry.open(home_at(home)).connection() as connection:
        rows = policies(connection)
    if as_json:
        print_json("policies", {"policies": [plain_row(row) for row in rows]})
        return
    columns = ("policy", "kind", "domain", "hosts", "file_name", "agents", "signals", "counts")
    print_table(
        columns,
        [
            [
                row["policy_id"],
                row["kind"],
                row["domain"],
                "below" if row["subdomains"] else "itself",
                row["file_name"],
                ", ".join(row["agents"]),
                f"{row['signals']:,}",
                "yes" if row["counts"] else "no",
            ]
            for row in rows
        ],
    )
