"""``creditline rights``: the permissions of works and their grounds."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.opening import open_registry
from cli.options import (
    DataSetFilter,
    HomeOption,
    JsonOption,
    LicenceFilter,
    LimitOption,
    OffsetOption,
    OutOption,
    PermissionFilter,
    RightsholderFilter,
    WorksArgument,
)
from cli.output import (
    names_of,
    narrate,
    narrate_rest,
    place_of,
    plain_row,
    print_json,
    print_table,
    rows_to_print,
    write_rows,
)
from registry.errors import UsageError
from registry.home import DEFAULT_HOME


def rights(
    works: WorksArgument = None,
    permission: PermissionFilter = None,
    rightsholder: RightsholderFilter = None,
    licence: LicenceFilter = None,
    data_set: DataSetFilter = None,
    why: Annotated[bool, typer.Option("--why", help="Show all grounds in order, not only those that decide.")] = False,
    limit: LimitOption = None,
    offset: OffsetOption = 0,
    out: OutOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Show whether models may train on works, and why.

    A work is permitted, unclear, constrained, prohibited or withdrawn. The first step with a ground
    decides: 1 withdrawals; 2 reviews of the work; 3 reviews of its rightsholder, licence or data
    set; 4 rights signals and licence terms; 5 open claims, and constraints by one of several
    rightsholders; 6 nothing on record. An asterisk marks the grounds that decide.

    Examples:
        creditline rights --permission prohibited --limit 20
        creditline rights 17 harvest:deep/star.png
        creditline rights --data-set harvest --out permissions.csv
    """
    from registry.members.training_check import permission_counts
    from registry.permissions.reasons import all_grounds, with_reasons
    from registry.works.listings import WorksFilter, described, works_reader
    from registry.works.listings import works as works_page
    from registry.works.lookup import resolve_works

    chosen = WorksFilter(rightsholder=rightsholder, licence=licence, data_set=data_set, permission=permission)
    if works and (chosen != WorksFilter() or out or offset):
        raise UsageError("got both WORK and options that select works; expected one of the two")
    with open_registry(home).connection() as connection:
        if works:
            rows = described(connection, resolve_works(connection, works))
            total, counts = len(rows), None
        else:
            counts = permission_counts(connection, chosen)
            if out is not None:
                write_rows(
                    lambda: with_reasons(connection, works_reader(connection, chosen, limit=limit, offset=offset)),
                    out,
                    "works",
                    as_json=as_json,
                )
                return
            most = rows_to_print(limit, sum(counts.values()), as_json=as_json)
            page = works_page(connection, chosen, limit=most, offset=offset)
            rows, total = page.rows, page.total
        ids = [row["asset_id"] for row in rows]
        grounds = all_grounds(connection, ids) if as_json or why or works else {}
    if as_json:
        listed = [{**plain_row(row), "reasons": [plain_row(each) for each in grounds[row["asset_id"]]]} for row in rows]
        print_json("rights", {"works": listed, "total": total, "offset": offset, "counts": counts})
        return
    if counts is not None:
        narrate(", ".join(f"{number:,} {name}" for name, number in counts.items()))
    _print(rows, grounds)
    narrate_rest(len(rows), total, offset, "works")


def _print(rows: list[dict[str, Any]], grounds: dict[int, list[dict[str, Any]]]) -> None:
    """One row per work, or one per ground where ``grounds`` has any."""
    table: list[list[object]] = []
    for row in rows:
        about = [row["asset_id"], place_of(row), names_of(row["rightsholders"]), row["permission"]]
        if not grounds:
            table.append([*about, row["reason"]])
            continue
        for each in grounds[row["asset_id"]]:
            day = None if each["said_at"] is None else each["said_at"].date().isoformat()
            said = ", ".join(str(value) for value in (each["said_by"], day) if value)
            table.append([*about, each["step"], each["verdict"] + " *" * each["decides"], each["reason"], said])
            about = [""] * len(about)
    columns = ("work", "place", "rightsholders", "permission")
    print_table((*columns, "step", "verdict", "reason", "recorded by") if grounds else (*columns, "reason"), table)
