"""``creditline headers``: record the response headers with which works were served."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.opening import now, open_registry
from cli.options import HomeOption, JsonOption, pairs_of
from cli.output import echo, narrate, plural, print_json
from registry.home import DEFAULT_HOME, scratch_folder


def headers(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Table of a crawler (CSV, JSON lines or Parquet): the works' addresses or hashes, and their headers.",
        ),
    ],
    mapped: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COLUMN", help="Read url or sha256 from this column; may be repeated."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Record what the response headers of registered works say about training.

    A row names a work by a column url or sha256. Its headers stand in columns named after them
    (X-Robots-Tag, tdm-reservation, tdm-policy, Content-Usage, link-header), or all in one column
    named headers, as JSON or as lines. Lists with such columns need no extra step: `register` reads
    them too.

    Examples:
        creditline headers crawl.parquet
        creditline headers headers.jsonl --map url=address --json
    """
    from dataclasses import asdict

    from registry.ingest.headers import record_headers
    from registry.ingest.lists import open_list

    mapping = pairs_of("--map", mapped or (), "FIELD=COLUMN", "url=COLUMN")
    registry = open_registry(home)
    with scratch_folder(registry.staging_place, "headers-") as folder:
        report = record_headers(registry, open_list(file, mapping=mapping, staging=folder), now())
    for problem in report.problems:
        narrate(f"not understood: {problem}")
    if as_json:
        print_json("headers", asdict(report))
        return
    echo(f"{plural(report.signals, 'rights signal')} recorded from {plural(report.rows, 'row')}")
    narrate(
        f"{plural(report.works, 'registered work')} with signals; the permission of {report.permissions_changed:,} changed"
        + (f"; {plural(report.refused, 'row')} refused" if report.refused else "")
    )
