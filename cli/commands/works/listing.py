"""The listings of tables: rightsholders, licences, data sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cli.opening import open_registry
from cli.output import narrate_rest, plain_row, print_json, print_table, rows_to_print, write_rows

if TYPE_CHECKING:
    import duckdb

    from registry.works.listings import Listing


@dataclass(frozen=True)
class ListingOptions:
    """The options of every listing."""

    home: Path
    limit: int | None
    offset: int
    count: bool
    out: Path | None
    as_json: bool


def print_listing(
    things: str,
    columns: Sequence[str],
    total_of: Callable[[duckdb.DuckDBPyConnection], int],
    listing_of: Callable[[int | None], Listing],
    options: ListingOptions,
) -> None:
    """Print, count or write the rows of a listing.

    ``things``: its plural name, as typed (``data-sets``). ``columns``: printed columns; JSON and
    files have all. ``total_of`` counts all rows; ``listing_of`` takes the largest number of rows.
    """
    with open_registry(options.home).connection() as connection:
        if options.out is not None:
            write_rows(
                lambda: listing_of(options.limit).reader(connection), options.out, things, as_json=options.as_json
            )
            return
        total = total_of(connection)
        if options.count:
            print_count(things, total, as_json=options.as_json)
            return
        limit = rows_to_print(options.limit, total, as_json=options.as_json)
        rows = [plain_row(row) for row in listing_of(limit).rows(connection)]
    if options.as_json:
        print_json(things, {things.replace("-", "_"): rows, "total": total, "offset": options.offset})
        return
    print_table(columns, [[row[name] for name in columns] for row in rows])
    narrate_rest(len(rows), total, options.offset, things.replace("-", " "))


def print_table_listing(things: str, columns: Sequence[str], options: ListingOptions) -> None:
    """The listing of a whole table: licences or data sets."""
    from registry.works import listings

    table = things.removesuffix("s").replace("-", "_")
    print_listing(
        things,
        columns,
        lambda connection: int(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]),  # noqa: S608 - a name of ours
        lambda limit: getattr(listings, f"{table}s")(limit=limit, offset=options.offset),
        options,
    )


def print_count(things: str, number: int, *, as_json: bool) -> None:
    """The answer to ``--count``."""
    if as_json:
        print_json(things, {"count": number})
    else:
        typer.echo(number)
