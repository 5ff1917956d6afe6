"""``creditline sql`` and ``show``: any question to the registry, and everything about one work."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from cli.common import (
    HomeOption,
    JsonOption,
    OutOption,
    home_at,
    narrate,
    plain_row,
    print_json,
    print_table,
    printable,
)
from registry.home import DEFAULT_HOME


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("show")(show)
    app.command("sql")(sql)


def show(
    work: Annotated[str, typer.Argument(metavar="WORK", help="Its number, its SHA-256 or DATA-SET:PATH.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Say everything that is on record about one work.

    Whose it is and was said to be, by whom; what its file says about itself; whether it may be
    trained on, and why; claims and works that look like it; which encodings have it, and which
    members saw it; its withdrawal.

    Examples:
        creditline show 17

        creditline show "museum:rooms/4/vase.jpg" --json
    """
    from registry.storage.database import Registry
    from registry.works.details import work_details
    from registry.works.lookup import resolve_works

    with Registry.open(home_at(home)).connection() as connection:
        found = resolve_works(connection, [work])
        facts = [work_details(connection, asset_id) for asset_id in found]
    if as_json:
        print_json("show", {"works": [_plain(fact) for fact in facts]})
        return
    for fact in facts:
        _print_work(fact)


def sql(
    query: Annotated[str | None, typer.Argument(help="The query; from stdin if it is left out.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="Rows to print; --out has all.")] = 1_000,
    out: OutOption = None,
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, max=86_400, help="Seconds that it may take.")] = 60.0,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Ask the registry anything, in DuckDB's SQL. It is opened for reading alone: nothing can be
    changed.

    Nor can a query read or write another file, or reach the network. docs/schema.md says what the
    tables and views are.

    Examples:
        creditline sql "SELECT * FROM works_by_permission"

        creditline sql "SELECT * FROM exposure WHERE asset_id = 17" --out exposure.csv

        creditline sql < question.sql --json
    """
    from registry.storage.database import Registry
    from registry.storage.sql_console import LONGEST_QUERY, export_query, run_query

    text = query
    if text is None:
        if sys.stdin.isatty():
            narrate("write a query and end it with Ctrl-D")
        text = sys.stdin.read(LONGEST_QUERY + 1)
    registry = Registry.open(home_at(home))
    if out is not None:
        written = export_query(registry, text, out, timeout=timeout)
        if as_json:
            print_json("sql", {"file": str(out), "rows": written})
        else:
            narrate(f"{written:,} rows in {out}")
        return
    answer = run_query(registry, text, limit=limit, timeout=timeout)
    if as_json:
        rows = [[_plain_value(value) for value in row] for row in answer.rows]
        print_json("sql", {"columns": answer.columns, "rows": rows, "more": answer.more})
        return
    print_table([printable(name) for name in answer.columns], answer.rows)
    if answer.more:
        narrate(f"the first {limit:,} rows; there are more: see --limit, or --out for all of them")


_TITLES = {
    "permission_grounds": "Why",
    "rightsholders": "Rightsholders",
    "rights_history": "What was said about its rights, newest first",
    "signals": "What it and its site say about training",
    "claims": "Claims",
    "near_duplicates": "Works that look like it",
    "encodings": "Encodings that have it",
    "seen_by": "Members that saw it",
    "withdrawals": "Withdrawals",
}

_COLUMNS: dict[str, tuple[str, ...]] = {
    "permission_grounds": ("step", "verdict", "reason", "said_by", "decides"),
    "rightsholders": ("rightsholder", "role", "share"),
    "rights_history": (
        *("basis", "newest", "rightsholder", "licence", "title", "creator"),
        *("recorded_from", "recorded_by", "recorded_at"),
    ),
    "signals": ("protocol", "category", "use", "condition", "found_in", "seen_at"),
    "claims": ("claim_id", "state", "claimant", "statement", "matched_by", "distance", "decision_reason"),
    "near_duplicates": ("asset_id", "distance", "rightsholder", "of_another"),
    "encodings": ("encoding_id", "unit_kind", "unit_number", "unit", "members"),
    "seen_by": ("ensemble_id", "member_id", "member_index", "generation", "newest", "manifest_sha256"),
    "withdrawals": ("withdrawal_id", "scope", "reason", "recorded_by", "recorded_at"),
}


def _print_work(facts: dict[str, Any]) -> None:
    work = facts["work"]
    named = work["title"] or work["path"] or work["url"] or work["sha256"]
    typer.echo(printable(f"Work {work['asset_id']}: {named}"))
    told = {name: value for name, value in work.items() if value is not None and name not in _NOT_TOLD}
    print_table(("", ""), [[name.replace("_", " "), _cell(value)] for name, value in told.items()])
    typer.echo(f"\nMay it be trained on? {work['permission']}")
    for name, title in _TITLES.items():
        if facts[name]:
            typer.echo(f"\n{title}")
            columns = _COLUMNS[name]
            print_table(
                [column.replace("_", " ") for column in columns],
                [[_cell(row[column]) for column in columns] for row in facts[name]],
            )
    for row in facts["embedded_metadata"]:
        _print_embedded(row)


_NOT_TOLD = frozenset({"asset_id", "permission", "declared_id", "verified_id", "rightsholder_id", "licence_id"})


def _print_embedded(row: dict[str, Any]) -> None:
    typer.echo(printable(f"\nWhat the file says about itself, read {row['read_at']}"))
    listed = {
        name: value
        for name, value in row.items()
        if value not in (None, [], {}) and name not in ("id", "fields", "read_at")
    }
    for place, fields in (row["fields"] or {}).items():
        if isinstance(fields, dict):
            listed |= {f"{place}: {name}": value for name, value in fields.items()}
        else:
            listed[place] = fields
    print_table(("", ""), [[name.replace("_", " "), _cell(value)] for name, value in listed.items()])


_LONGEST_CELL = 2_000


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    text = "" if value is None else str(value)
    return text if len(text) <= _LONGEST_CELL else text[:_LONGEST_CELL] + "…"


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        name: plain_row(value) if isinstance(value, dict) else [plain_row(row) for row in value]
        for name, value in facts.items()
    }


def _plain_value(value: Any) -> Any:  # noqa: ANN401 - whatever a query may return
    """The value as JSON has it: times in ISO 8601, bytes in hex, no number that JSON does not
    have.
    """
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {str(name): _plain_value(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain_value(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else value
