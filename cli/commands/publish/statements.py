"""``creditline statement`` and ``creditline report data-set``: what rightsholders and reviewers of
a corpus ask for.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.commands.publish.reports import group
from cli.common import HomeOption, JsonOption, home_at, narrate, print_json
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from reports.data_sets.facts import DataSetFacts
    from reports.issuing.document import Written
    from reports.statements.facts import StatementFacts

FolderOption = Annotated[
    Path | None, typer.Option("--out", metavar="FOLDER", help="Where to write.", show_default="reports/ in the home")
]


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("statement")(statement)


def statement(
    rightsholder: Annotated[
        str, typer.Argument(metavar="RIGHTSHOLDER", help="A name, or #NUMBER.", show_default=False)
    ],
    out: FolderOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Tell a rightsholder what became of their works: a page, the same as JSON, and tables.

    Which models saw them, which tested images they influenced, permissions, withdrawals and claims.
    Prints the page's path.

    Examples:
        creditline statement "Ada Example" --out for-ada

        creditline statement '#17' --json
    """
    import datetime

    from registry.storage.database import Registry
    from reports.statements.document import STATEMENT, rightsholder_named

    registry = Registry.open(home_at(home))
    number = rightsholder_named(registry, rightsholder)
    now = datetime.datetime.now(datetime.UTC)
    written = STATEMENT.write(registry, f"#{number}", out or registry.home.reports, now)
    facts = written.facts.facts
    _show("statement", {"rightsholder_id": number}, written, facts, as_json)
    who, asked = facts.rightsholder, rightsholder.strip()
    if asked in who.merged_names or (asked[:1] == "#" and asked[1:].isdecimal() and int(asked[1:]) != who.id):
        narrate(f"{asked} counts as {who.name} (#{who.id}), for whom the statement is")


@group.command("data-set")
def data_set(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of a data set.", show_default=False)],
    out: FolderOption = None,
    parquet: Annotated[bool, typer.Option("--parquet", help="Write the full tables as Parquet, not as CSV.")] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Report on a corpus: whose it is, under which terms, what contradicts, and what was opted out
    since training.

    Writes a page, the same as JSON, and the full tables. Prints the page's path.

    Examples:
        creditline report data-set works --out review

        creditline report data-set laion-part --parquet --json
    """
    import datetime

    from registry.storage.database import Registry
    from reports.data_sets.document import DATA_SET

    registry = Registry.open(home_at(home))
    now = datetime.datetime.now(datetime.UTC)
    form = "parquet" if parquet else "csv"
    written = DATA_SET.write(registry, name, out or registry.home.reports, now, form=form)
    _show("data-set-report", {"data_set": name}, written, written.facts, as_json)


def _show(
    kind: str, names: dict[str, Any], written: Written[Any], facts: StatementFacts | DataSetFacts, as_json: bool
) -> None:
    if as_json:
        files = [str(path) for path in written.files]
        said = {"verdict": facts.verdict, "gaps": facts.gaps}
        print_json(kind, {**names, "page": str(written.page), "files": files, **said})
    else:
        typer.echo(str(written.page))
    narrate(facts.verdict)
    for gap in facts.gaps:
        narrate(f"gap: {gap}")
