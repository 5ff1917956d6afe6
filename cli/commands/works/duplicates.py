"""``creditline duplicates``: which works look alike, and whose they are."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.common import (
    HomeOption,
    JsonOption,
    LimitOption,
    OffsetOption,
    OutOption,
    RightsholderFilter,
    home_at,
    narrate,
    plain_row,
    print_json,
    print_table,
    printable,
    rows_to_print,
    say_what_is_left,
)
from registry.home import DEFAULT_HOME

WORKS_PER_GROUP = 20
"""Works of a group of duplicates that are printed; --out has all."""


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("duplicates")(list_duplicates)


def list_duplicates(
    across: Annotated[
        bool, typer.Option("--across-rightsholders", help="Only groups whose works belong to several.")
    ] = False,
    rightsholder: RightsholderFilter = None,
    limit: LimitOption = None,
    offset: OffsetOption = 0,
    out: OutOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """List groups of works that look alike, those of several rightsholders first; --limit and
    --offset count groups.

    Examples:
        creditline duplicates --across-rightsholders

        creditline duplicates --out duplicates.csv
    """
    from dataclasses import replace

    from registry.export.files import check_suffix, write_listing
    from registry.similarity.groups import listing_of, near_duplicates, works_of
    from registry.similarity.search import LIMITS
    from registry.storage.database import Registry
    from registry.works.lookup import resolve_rightsholder

    if out is not None:
        check_suffix(out)
    with Registry.open(home_at(home)).connection() as connection:
        holder = resolve_rightsholder(connection, rightsholder) if rightsholder is not None else None
        found = near_duplicates(connection, across_only=across, rightsholder_id=holder)
        if out is not None:
            chosen = replace(found, groups=found.groups[offset:][:limit])
            written = write_listing(listing_of(connection, chosen), out, documents=("attributes",))
            if as_json:
                print_json("duplicates", {"file": str(out), "rows": written})
            else:
                narrate(printable(f"{written:,} works written to {out}"))
            return
        page = found.groups[offset:][: rows_to_print(limit, len(found.groups), as_json=as_json)]
        works = works_of(connection, page, None if as_json else WORKS_PER_GROUP)
    if as_json:
        listed = [
            {
                "group": group.number,
                "rightsholders": group.rightsholders,
                "permissions": group.permissions,
                "works": [plain_row(row) for row in rows],
            }
            for group, rows in zip(page, works, strict=True)
        ]
        totals = {"total": len(found.groups), "across_rightsholders": found.across, "offset": offset}
        print_json(
            "duplicates", {"groups": listed, **totals, "works_not_compared": found.works_not_compared, "limits": LIMITS}
        )
        return
    columns = ("asset_id", "data_set", "path", "rightsholder", "licence", "permission", "distance")
    for group, rows in zip(page, works, strict=True):
        whose = f"{group.rightsholders} rightsholders" if group.rightsholders > 1 else "one rightsholder"
        differ = f", permissions differ: {', '.join(group.permissions)}" if len(group.permissions) > 1 else ""
        typer.echo(f"group {group.number}: {len(group.asset_ids):,} works, {whose}{differ}")
        print_table(
            columns, [[row[name] or (row["url"] if name == "path" else row[name]) for name in columns] for row in rows]
        )
        if len(rows) < len(group.asset_ids):
            narrate(f"{len(rows)} of {len(group.asset_ids):,} works of group {group.number}; --out FILE has all")
    say_what_is_left(len(page), len(found.groups), offset, "groups")
    narrate_limits(found.works_not_compared, LIMITS)


def narrate_limits(not_compared: int, limits: tuple[str, ...]) -> None:
    """Say what a comparison of pictures cannot find."""
    if not_compared:
        narrate(f"{not_compared:,} works have no fingerprint: not compared")
    for line in limits:
        narrate(line)
