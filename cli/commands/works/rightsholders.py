"""``creditline rightsholders``: list the rightsholders."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.commands.works.listing import ListingOptions, print_listing
from cli.options import CountOption, HomeOption, JsonOption, LimitOption, OffsetOption, OutOption
from registry.home import DEFAULT_HOME


def rightsholders(
    matching: Annotated[
        str | None, typer.Option("--matching", metavar="TEXT", help="Only names that contain TEXT, in any case.")
    ] = None,
    limit: LimitOption = None,
    offset: OffsetOption = 0,
    count: CountOption = False,
    out: OutOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """List the rightsholders and the number of works of each.

    Examples:
        creditline rightsholders
        creditline rightsholders --matching agency --limit 20 --offset 40
    """
    from registry.works import listings

    print_listing(
        "rightsholders",
        ("rightsholder_id", "rightsholder", "works", "licences"),
        lambda connection: listings.count_rightsholders(connection, matching=matching),
        lambda limit: listings.rightsholders(matching=matching, limit=limit, offset=offset),
        ListingOptions(home, limit, offset, count, out, as_json),
    )
