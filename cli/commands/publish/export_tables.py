"""``creditline export candidates``, ``works``, ``audits`` and ``statements``: the registry's tables
as files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.common import HomeOption, JsonOption, home_at, narrate, print_json, printable
from registry.home import DEFAULT_HOME

TableOption = Annotated[
    Path,
    typer.Option("--out", metavar="FILE", help="File to write: .csv, .json, .jsonl or .parquet."),
]


def register_exports(group: typer.Typer) -> None:
    """Add the commands to ``creditline export``."""
    group.command("candidates")(export_candidates)
    group.command("works")(export_works)
    group.command("audits")(export_audits)
    group.command("statements")(export_statements)


def export_candidates(
    out: TableOption,
    all_audits: Annotated[
        bool, typer.Option("--all-audits", help="Also of audits that a newer one of the same output replaced.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Write a table with a row per candidate of the newest audit of every output.

    Prints the file's path. Columns are those of docs/tables.md.

    Example:
        creditline export candidates --out candidates.csv
    """
    _export("candidates", out, home, as_json, all_audits=all_audits)


def export_works(out: TableOption, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Write a table with a row per work: rights, permission, what its licence asks for,
    identifiers.

    Example:
        creditline export works --out works.parquet
    """
    _export("works", out, home, as_json)


def export_audits(out: TableOption, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Write a table with a row per audit: outcome, method, settings, times and hashes.

    Example:
        creditline export audits --out audits.json
    """
    _export("audits", out, home, as_json)


def export_statements(out: TableOption, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Write a table with a row per rightsholder: the figures of their statements.

    Example:
        creditline export statements --out statements.csv
    """
    _export("statements", out, home, as_json)


def _export(name: str, out: Path, home: Path, as_json: bool, *, all_audits: bool = False) -> None:
    from datetime import UTC, datetime

    from registry.errors import IntegrityError
    from registry.storage.database import Registry
    from reports.tables.write import export_table

    given = export_table(Registry.open(home_at(home)), name, out, datetime.now(UTC), all_audits=all_audits)
    if as_json:
        print_json(
            "export",
            {
                "file": str(given.path),
                "files": [str(path) for path in given.files],
                "table": name,
                "rows": given.facts.rows,
                "kind": given.stamp.kind,
                "subject": given.stamp.subject,
                "facts_sha256": given.stamp.facts_sha256,
                "unread": list(given.facts.unread),
            },
        )
    else:
        typer.echo(printable(str(given.path)))
    narrate(f"{given.facts.rows:,} rows")
    for reason in given.facts.unread:
        narrate(printable(f"not in the table: {reason}"))
    if given.facts.unread:
        raise IntegrityError(
            f"{len(given.facts.unread)} audits rest on what is not as the registry recorded it and are not in the table; "
            "run `creditline doctor`"
        )
