"""``creditline data-sets``: list the data sets that works were registered from."""

from __future__ import annotations

from cli.commands.works.listing import ListingOptions, print_table_listing
from cli.options import CountOption, HomeOption, JsonOption, LimitOption, OffsetOption, OutOption
from registry.home import DEFAULT_HOME


def data_sets(
    limit: LimitOption = None,
    offset: OffsetOption = 0,
    count: CountOption = False,
    out: OutOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """List the data sets that works were registered from.

    Examples:
        creditline data-sets
        creditline data-sets --out data-sets.csv
    """
    columns = ("data_set", "kind", "works", "missing", "root")
    print_table_listing("data-sets", columns, ListingOptions(home, limit, offset, count, out, as_json))
