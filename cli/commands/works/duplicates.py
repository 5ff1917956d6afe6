"""``creditline duplicates``: list groups of works that look alike."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.opening import now, open_registry
from cli.options import HomeOption, JsonOption, LimitOption, OffsetOption, OutOption, RightsholderFilter
from cli.output import (
    echo,
    narrate,
    narrate_rest,
    plain_row,
    print_json,
    print_table,
    progress_bars,
    rows_to_print,
    write_rows,
)
from registry.home import DEFAULT_HOME

WORKS_PER_GROUP = 20
"""Works to print per group; --out has all."""


def duplicates(
    across: Annotated[
        bool, typer.Option("--across-rightsholders", help="Only groups with works of several rightsholders.")
    ] = False,
    rightsholder: RightsholderFilter = None,
    search: Annotated[
        bool, typer.Option("--search", help="First compare the works that no search has compared yet, until all are.")
    ] = False,
    limit: LimitOption = None,
    offset: OffsetOption = 0,
    out: OutOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """List groups of near duplicates, groups with several rightsholders first.

    --limit and --offset count groups. `register` compares new works, for a limited time; --search
    compares the rest.

    Examples:
        creditline duplicates --across-rightsholders
        creditline duplicates --search
        creditline duplicates --out duplicates.csv
    """
    from dataclasses import replace

    from registry.ingest.near_duplicates import compare_the_rest, works_to_compare
    from registry.similarity.groups import listing_of, near_duplicates, works_of
    from registry.similarity.search import LIMITS
    from registry.works.lookup import resolve_rightsholder

    registry = open_registry(home)
    if search:
        with progress_bars() as progress:
            task = progress.add_task("comparing", total=None)
            rest = compare_the_rest(
                registry.patient(), now(), lambda done, total: progress.update(task, completed=done, total=total)
            )
        for finding in rest.findings:
            narrate(f"{finding.kind}: {finding.reason}")
    with registry.connection() as connection:
        waiting = works_to_compare(connection)
        holder = resolve_rightsholder(connection, rightsholder) if rightsholder is not None else None
        found = near_duplicates(connection, across_only=across, rightsholder_id=holder)
        if out is not None:
            chosen = replace(found, groups=found.groups[offset:][:limit])
            write_rows(lambda: listing_of(connection, chosen), out, "duplicates", as_json=as_json)
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
        limits = {"works_not_compared": found.works_not_compared, "works_to_compare": waiting, "limits": LIMITS}
        print_json("duplicates", {"groups": listed, **totals, **limits})
        return
    columns = ("asset_id", "data_set", "path", "rightsholder", "licence", "permission", "distance")
    for group, rows in zip(page, works, strict=True):
        holders = f"{group.rightsholders} rightsholders" if group.rightsholders > 1 else "one rightsholder"
        differ = f", permissions differ: {', '.join(group.permissions)}" if len(group.permissions) > 1 else ""
        echo(f"group {group.number}: {len(group.asset_ids):,} works, {holders}{differ}")
        cells = [[row[name] if name != "path" else row["path"] or row["url"] for name in columns] for row in rows]
        print_table(("work", *columns[1:]), cells)
        if len(rows) < len(group.asset_ids):
            narrate(f"{len(rows)} of {len(group.asset_ids):,} works of group {group.number}; --out FILE has all")
    narrate_rest(len(page), len(found.groups), offset, "groups")
    if waiting:
        narrate(f"{waiting:,} works were not compared yet; `creditline duplicates --search` compares them")
    narrate_limits(found.works_not_compared, LIMITS)


def narrate_limits(not_compared: int, limits: tuple[str, ...]) -> None:
    """Say what a comparison of images cannot find."""
    if not_compared:
        narrate(f"{not_compared:,} works have no fingerprint and were not compared")
    for line in limits:
        narrate(line)
