"""``creditline owners``: every statement about the owners of works."""

from __future__ import annotations

from typing import Any

from cli.opening import open_registry
from cli.options import HomeOption, JsonOption, RequiredWorksArgument
from cli.output import narrate, plain_row, print_json, print_table
from registry.home import DEFAULT_HOME

_COLUMNS = (
    *("asset_id", "counts", "basis", "rightsholder", "role", "share", "licence"),
    *("recorded_from", "recorded_at"),
)


def owners(works: RequiredWorksArgument, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Show every recorded statement about the owners of works, newest first.

    The column "counts" marks the statement that is in force.

    Examples:
        creditline owners 17 photographs:alps/peak.jpg
    """
    from registry.rightsholders.owners import owners_of
    from registry.works.lookup import resolve_works

    with open_registry(home).connection() as connection:
        rows = owners_of(connection, resolve_works(connection, works))
    if as_json:
        print_json("owners", {"owners": [plain_row(row) for row in rows]})
        return
    print_table(("work", *_COLUMNS[1:]), [[_cell(row, column) for column in _COLUMNS] for row in rows])
    if not rows:
        narrate("no owner is recorded for these works")


def _cell(row: dict[str, Any], column: str) -> object:
    if column == "counts":
        return "yes" if row["counts"] else ""
    if column == "share":
        return None if row["share"] is None else f"{row['share']:.4g}"
    if column == "rightsholder" and row["stated_as"] != row["rightsholder"]:
        return f"{row['rightsholder']} (as {row['stated_as']})"
    return row[column]
