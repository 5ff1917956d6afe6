"""``creditline licences``: list the licences of the works."""

from __future__ import annotations

from cli.commands.works.listing import ListingOptions, print_table_listing
from cli.options import CountOption, HomeOption, JsonOption, LimitOption, OffsetOption, OutOption
from registry.home import DEFAULT_HOME


def licences(
    limit: LimitOption = None,
    offset: OffsetOption = 0,
    count: CountOption = False,
    out: OutOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """List the licences with their terms for training and numbers of works.

    Examples:
        creditline licences
        creditline licences --out licences.csv
    """
    columns = ("licence", "recognised", "training", "duties", "works")
    print_table_listing("licences", columns, ListingOptions(home, limit, offset, count, out, as_json))
