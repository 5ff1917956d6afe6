"""``creditline works`` and ``rightsholders``: what is registered and whose it is."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.common import HomeOption, JsonOption, home_at, narrate, plain_row, print_json, print_table
from registry.home import DEFAULT_HOME

LimitOption = Annotated[int, typer.Option("--limit", min=1, help="Rows to print; --json prints all.")]


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("works")(list_works)
    app.command("rightsholders")(list_rightsholders)


def list_works(
    rightsholder: Annotated[str | None, typer.Option("--rightsholder", metavar="NAME", help="Only this one's.")] = None,
    licence: Annotated[str | None, typer.Option("--licence", metavar="REF", help="Only under this licence.")] = None,
    data_set: Annotated[str | None, typer.Option("--data-set", metavar="NAME", help="Only from this source.")] = None,
    limit: LimitOption = 50,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """List the registered works with their rights.

    Examples:
        creditline works --rightsholder "Ada Example"

        creditline works --json > works.json
    """
    from registry.database import Registry
    from registry.queries import WorksFilter, count_works, works

    chosen = WorksFilter(rightsholder=rightsholder, licence=licence, data_set=data_set)
    with Registry.open(home_at(home)).connection() as connection:
        found = works(connection, chosen, limit=None if as_json else limit)
        total = count_works(connection, chosen)
    if as_json:
        print_json("works", {"works": [plain_row(row) for row in found.to_pylist()]})
        return
    columns = ("asset_id", "data_set", "path", "title", "rightsholder", "licence", "permission")
    print_table(columns, [[row[name] for name in columns] for row in found.to_pylist()])
    if total > limit:
        narrate(f"{limit} of {total:,} works; --limit shows more")


def list_rightsholders(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """List who owns the works, and how many.

    Examples:
        creditline rightsholders
    """
    from registry.database import Registry
    from registry.queries import rightsholders

    with Registry.open(home_at(home)).connection() as connection:
        rows = rightsholders(connection).to_pylist()
    if as_json:
        print_json("rightsholders", {"rightsholders": rows})
    else:
        print_table(
            ("rightsholder", "works", "licences"),
            [[row["rightsholder"], row["works"], ", ".join(row["licences"])] for row in rows],
        )
