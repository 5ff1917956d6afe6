"""``creditline works``, ``rightsholders``, ``licences`` and ``data-sets``: what is registered and
whose it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.common import (
    DOCUMENT_COLUMNS,
    CountOption,
    HomeOption,
    JsonOption,
    LicenceFilter,
    LimitOption,
    OffsetOption,
    OutOption,
    PermissionFilter,
    RightsholderFilter,
    home_at,
    names_of,
    narrate,
    plain_row,
    print_json,
    print_table,
    rows_to_print,
    say_what_is_left,
)
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import duckdb

    from registry.works.listings import Listing


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("works")(list_works)
    app.command("rightsholders")(list_rightsholders)
    licences = ("licence", "recognised", "training", "duties", "works")
    app.command("licences", help=_LICENCES)(_lister("licence", licences))
    app.command("data-sets", help=_DATA_SETS)(_lister("data_set", ("data_set", "kind", "works", "missing", "root")))


def list_works(
    rightsholder: RightsholderFilter = None,
    licence: LicenceFilter = None,
    data_set: Annotated[str | None, typer.Option("--data-set", metavar="NAME", help="Only from this source.")] = None,
    permission: PermissionFilter = None,
    limit: LimitOption = None,
    offset: OffsetOption = 0,
    count: CountOption = False,
    out: OutOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """List the registered works with their rights, by number.

    Examples:
        creditline works --rightsholder "Ada Example"

        creditline works --permission prohibited --data-set harvest --count

        creditline works --out works.parquet
    """
    from registry.storage.database import Registry
    from registry.works.listings import WorksFilter, count_works, works

    chosen = WorksFilter(rightsholder=rightsholder, licence=licence, data_set=data_set, permission=permission)
    with Registry.open(home_at(home)).connection() as connection:
        if count:
            _print_count("works", count_works(connection, chosen), as_json=as_json)
            return
        if out is not None:
            from registry.works.listings import works_reader

            reader = lambda: works_reader(connection, chosen, limit=limit, offset=offset)  # noqa: E731 - read once the name is checked
            _write(reader, out, "works", as_json=as_json)
            return
        wanted = rows_to_print(limit, count_works(connection, chosen) if as_json else 0, as_json=as_json)
        page = works(connection, chosen, limit=wanted, offset=offset)
    if as_json:
        print_json("works", {"works": [plain_row(row) for row in page.rows], "total": page.total, "offset": offset})
        return
    columns = ("asset_id", "data_set", "path", "title", "rightsholders", "licence", "permission")
    shown = [
        {**row, "path": row["path"] or row["url"], "rightsholders": names_of(row["rightsholders"])} for row in page.rows
    ]
    print_table(columns, [[row[name] for name in columns] for row in shown])
    say_what_is_left(len(page.rows), page.total, offset, "works")


def list_rightsholders(
    matching: Annotated[
        str | None, typer.Option("--matching", metavar="TEXT", help="Only names that contain it, in any case.")
    ] = None,
    limit: LimitOption = None,
    offset: OffsetOption = 0,
    count: CountOption = False,
    out: OutOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """List who owns the works, and how many, by name.

    Examples:
        creditline rightsholders

        creditline rightsholders --matching agency --limit 20 --offset 40
    """
    from registry.works.listings import count_rightsholders, rightsholders

    _list(
        "rightsholders",
        lambda connection: count_rightsholders(connection, matching=matching),
        lambda limit: rightsholders(matching=matching, limit=limit, offset=offset),
        ("rightsholder_id", "rightsholder", "works", "licences"),
        (home, limit, offset, count, out, as_json),
    )


_LICENCES = """List the licences: whether they were recognised, what they say about training, how many works are under each.

Examples:
    creditline licences

    creditline licences --out licences.csv
"""

_DATA_SETS = """List the sources that works were registered from.

Examples:
    creditline data-sets
"""


def _lister(table: str, columns: Sequence[str]) -> Callable[..., None]:
    """The command that lists all rows of a table; its listing has the name of the table in the
    plural.
    """

    def list_table(
        limit: LimitOption = None,
        offset: OffsetOption = 0,
        count: CountOption = False,
        out: OutOption = None,
        home: HomeOption = DEFAULT_HOME,
        as_json: JsonOption = False,
    ) -> None:
        from registry.works import listings

        _list(
            f"{table}s".replace("_", "-"),
            lambda connection: _count_of(connection, table),
            lambda limit: getattr(listings, f"{table}s")(limit=limit, offset=offset),
            columns,
            (home, limit, offset, count, out, as_json),
        )

    return list_table


def _list(
    things: str,
    total_of: Callable[[duckdb.DuckDBPyConnection], int],
    listing_of: Callable[[int | None], Listing],
    columns: Sequence[str],
    options: tuple[Path, int | None, int, bool, Path | None, bool],
) -> None:
    """What the listings of few rows have in common; ``options`` are home, limit, offset, count, out
    and json.
    """
    from registry.storage.database import Registry

    home, limit, offset, count, out, as_json = options
    with Registry.open(home_at(home)).connection() as connection:
        if out is not None:
            _write(lambda: listing_of(limit).reader(connection), out, things, as_json=as_json)
            return
        total = total_of(connection)
        if count:
            _print_count(things, total, as_json=as_json)
            return
        rows = listing_of(rows_to_print(limit, total, as_json=as_json)).rows(connection)
    if as_json:
        key = things.replace("-", "_")
        print_json(things, {key: [plain_row(row) for row in rows], "total": total, "offset": offset})
        return
    plain = [plain_row(row) for row in rows]
    print_table(columns, [[_cell(row[name]) for name in columns] for row in plain])
    say_what_is_left(len(rows), total, offset, things.replace("-", " "))


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _count_of(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])  # noqa: S608 - names above


def _print_count(things: str, number: int, *, as_json: bool) -> None:
    if as_json:
        print_json(things, {"count": number})
    else:
        typer.echo(number)


def _write(reader: Callable[[], Any], out: Path, things: str, *, as_json: bool) -> None:
    from registry.export.files import check_suffix, write_listing

    check_suffix(out)
    written = write_listing(reader(), out, documents=DOCUMENT_COLUMNS)
    if as_json:
        print_json(things, {"file": str(out), "rows": written})
    else:
        narrate(f"{written:,} {things.replace('-', ' ')} in {out}")
