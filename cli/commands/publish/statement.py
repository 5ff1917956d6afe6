"""``creditline statement``: a statement for one rightsholder."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.commands.publish.written import FolderOption, folder_for, narrate_unrecorded, show_written
from cli.opening import now, open_registry
from cli.options import HomeOption, JsonOption
from cli.output import narrate
from registry.home import DEFAULT_HOME


def statement(
    rightsholder: Annotated[
        str, typer.Argument(metavar="NAME", help="Rightsholder: name or '#ID'.", show_default=False)
    ],
    out: FolderOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Write a statement for a rightsholder: a page, the same as JSON, and tables.

    It names the models trained on their works, the audited images that the works influenced,
    permissions, withdrawals and claims. Prints the path of the page.

    Examples:
        creditline statement "Ada Example" --out for-ada
        creditline statement '#17' --json
    """
    from reports.statements.document import STATEMENT, rightsholder_named

    registry = open_registry(home)
    rightsholder_id = rightsholder_named(registry, rightsholder)
    written = STATEMENT.write(registry, f"#{rightsholder_id}", folder_for(registry, out), now())
    narrate_unrecorded(registry)
    facts = written.facts.facts
    show_written("statement", {"rightsholder_id": rightsholder_id}, written, facts, as_json)
    found, asked = facts.rightsholder, rightsholder.strip()
    if asked in found.merged_names or (asked[:1] == "#" and asked[1:].isdecimal() and int(asked[1:]) != found.id):
        narrate(f"{asked} was merged into {found.name} (#{found.id}): the statement is for {found.name}")
