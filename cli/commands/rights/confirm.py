"""``creditline confirm``: record verified rights."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.opening import now, open_registry
from cli.options import HomeOption, JsonOption, RequiredWorksArgument
from cli.output import echo, narrate, plural, print_json
from registry.home import DEFAULT_HOME


def confirm(
    works: RequiredWorksArgument,
    origin: Annotated[
        str, typer.Option("--from", metavar="TEXT", help="Evidence that was checked, such as a contract.")
    ],
    rightsholder: Annotated[
        str | None,
        typer.Option("--rightsholder", metavar="NAME", help="Rightsholder: a new or existing name, or '#ID'."),
    ] = None,
    licence: Annotated[str | None, typer.Option("--licence", metavar="LICENCE", help="Licence of the works.")] = None,
    title: Annotated[str | None, typer.Option("--title", metavar="TEXT", help="Title of the works.")] = None,
    creator: Annotated[str | None, typer.Option("--creator", metavar="NAME", help="Creator of the works.")] = None,
    source_url: Annotated[
        str | None, typer.Option("--source-url", metavar="URL", help="Page that the works come from.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Record rights that were checked; they override declared rights.

    Facts that are not given stay as they are: confirming a licence keeps the rightsholder.

    Examples:
        creditline confirm 17 --rightsholder "Ada Example" --from "contract 12"
        creditline confirm harvest:deep/star.png --licence CC0-1.0 --from "letter of 3 March"
    """
    from dataclasses import asdict

    from registry.rightsholders.verified_rights import verify_rights
    from registry.works.lookup import resolve_rightsholder, resolve_works

    registry = open_registry(home)
    with registry.connection() as connection:
        ids = resolve_works(connection, works)
        by_id = rightsholder is not None and rightsholder.startswith("#")
        holder = resolve_rightsholder(connection, rightsholder) if by_id and rightsholder else rightsholder
    report = verify_rights(
        registry,
        ids,
        rightsholder=holder,
        licence=licence,
        title=title,
        creator=creator,
        source_url=source_url,
        recorded_from=origin,
        now=now(),
    )
    if as_json:
        print_json("confirm", asdict(report))
    else:
        echo(f"rights of {plural(report.recorded, 'work')} recorded as verified")
        narrate(f"the permission of {plural(report.permissions_changed, 'work')} changed")
