"""``creditline sql``: query the registry."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from cli.opening import open_registry
from cli.options import HomeOption, JsonOption, OutOption
from cli.output import narrate, print_json, print_table
from registry.home import DEFAULT_HOME


def sql(
    query: Annotated[
        str | None, typer.Argument(metavar="QUERY", help="SQL query.", show_default="read from stdin")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=1_000_000, help="Rows to print; --out writes all rows.")
    ] = 1_000,
    out: OutOption = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, max=86_400, help="Seconds after which the query is stopped.")
    ] = 60.0,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Query the registry in DuckDB's SQL, read-only.

    A query cannot change the registry, read or write other files, or reach the network.
    docs/schema.md describes the tables and views.

    Examples:
        creditline sql "SELECT * FROM works_by_permission"
        creditline sql "SELECT * FROM exposure WHERE asset_id = 17" --out exposure.csv
        creditline sql --json < question.sql
    """
    from registry.storage.sql_console import LONGEST_QUERY, export_query, run_query

    text = query
    if text is None:
        if sys.stdin.isatty():
            narrate("type a query and end it with Ctrl-D")
        text = sys.stdin.read(LONGEST_QUERY + 1)
    registry = open_registry(home)
    if out is not None:
        written = export_query(registry, text, out, timeout=timeout)
        if as_json:
            print_json("sql", {"file": str(out), "rows": written})
        else:
            narrate(f"{written:,} rows written to {out}")
        return
    answer = run_query(registry, text, limit=limit, timeout=timeout)
    if as_json:
        rows = [[_plain_value(value) for value in row] for row in answer.rows]
        print_json("sql", {"columns": answer.columns, "rows": rows, "more": answer.more})
        return
    print_table(answer.columns, answer.rows, empty_columns=True)
    if answer.more:
        narrate(f"the first {limit:,} rows; there are more: see --limit, or --out for all of them")


def _plain_value(value: Any) -> Any:  # noqa: ANN401 - whatever a query may return
    """A JSON value: times in ISO 8601, bytes in hex, null for numbers that JSON lacks."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {str(name): _plain_value(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain_value(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else value
