"""``creditline works``: list the registered works."""

from __future__ import annotations

from cli.commands.works.listing import print_count
from cli.opening import open_registry
from cli.options import (
    CountOption,
    DataSetFilter,
    HomeOption,
    JsonOption,
    LicenceFilter,
    LimitOption,
    OffsetOption,
    OutOption,
    PermissionFilter,
    ProbeFilter,
    RightsholderFilter,
    SyntheticFilter,
)
from cli.output import names_of, narrate_rest, plain_row, print_json, print_table, rows_to_print, write_rows
from registry.home import DEFAULT_HOME

_LONGEST_CAPTION = 80
"""Characters of a caption in the table."""


def works(
    rightsholder: RightsholderFilter = None,
    licence: LicenceFilter = None,
    data_set: DataSetFilter = None,
    permission: PermissionFilter = None,
    synthetic: SyntheticFilter = None,
    probe: ProbeFilter = None,
    limit: LimitOption = None,
    offset: OffsetOption = 0,
    count: CountOption = False,
    out: OutOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """List the registered works with their rights.

    Examples:
        creditline works --rightsholder "Ada Example"
        creditline works --permission prohibited --data-set harvest --count
        creditline works --synthetic
        creditline works --probe --count
        creditline works --out works.parquet
    """
    from registry.permissions.reasons import with_reasons
    from registry.works.listings import WorksFilter, count_works, works_reader
    from registry.works.listings import works as works_page

    chosen = WorksFilter(
        rightsholder=rightsholder,
        licence=licence,
        data_set=data_set,
        permission=permission,
        synthetic=synthetic,
        probe=probe,
    )
    with open_registry(home).connection() as connection:
        if count:
            print_count("works", count_works(connection, chosen), as_json=as_json)
            return
        if out is not None:
            write_rows(
                lambda: with_reasons(connection, works_reader(connection, chosen, limit=limit, offset=offset)),
                out,
                "works",
                as_json=as_json,
            )
            return
        most = rows_to_print(limit, count_works(connection, chosen) if as_json else 0, as_json=as_json)
        page = works_page(connection, chosen, limit=most, offset=offset)
    if as_json:
        print_json("works", {"works": [plain_row(row) for row in page.rows], "total": page.total, "offset": offset})
        return
    columns: tuple[str, ...] = (
        "asset_id",
        "data_set",
        "path",
        "title",
        "rightsholders",
        "licence",
        "permission",
        "reason",
    )
    shown = [
        {**row, "path": row["path"] or row["url"], "rightsholders": names_of(row["rightsholders"])} for row in page.rows
    ]
    if any(row["caption"] for row in shown):
        columns = (*columns[:4], "caption", *columns[4:])
        shown = [{**row, "caption": _shortened(row["caption"])} for row in shown]
    if any(row["synthetic"] for row in shown):
        columns = (*columns, "synthetic")
        shown = [{**row, "synthetic": "yes" if row["synthetic"] else ""} for row in shown]
    print_table(("work", *columns[1:]), [[row[name] for name in columns] for row in shown])
    narrate_rest(len(page.rows), page.total, offset, "works")


def _shortened(caption: str | None) -> str | None:
    """A caption for a table in a terminal; --json and --out have all of it."""
    return caption if caption is None or len(caption) <= _LONGEST_CAPTION else caption[:_LONGEST_CAPTION] + "…"
