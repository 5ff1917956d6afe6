"""The columns of the tables as ``docs/tables.md`` lists them."""

from __future__ import annotations

import re

from reports.tables.columns import Table
from reports.tables.write import TABLES

_PLACE = re.compile(r"(<!-- columns of (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def with_columns(page: str) -> str:
    """The page, with the columns of each table at its place as they are now."""
    return _PLACE.sub(lambda found: found[1] + columns_of(TABLES[found[2]]) + found[3], page)


def columns_of(table: Table) -> str:
    """A Markdown table with a row per column."""
    lines = ["| column | type | unit | what it is | empty |", "|---|---|---|---|---|"]
    lines += [
        f"| `{column.name}` | {column.kind} | {column.unit} | {column.meaning} | {column.null or 'never'} |"
        for column in table.columns
    ]
    return "\n".join(lines) + "\n"
