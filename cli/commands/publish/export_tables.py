"""``creditline export candidates``, ``works``, ``audits`` and ``statements``: tables as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.opening import now, open_registry
from cli.options import HomeOption, JsonOption
from cli.output import echo, narrate, plural, print_json
from registry.errors import IntegrityError
from registry.home import DEFAULT_HOME

TableOption = Annotated[
    Path, typer.Option("--out", metavar="FILE", help="File to write: .csv, .json, .jsonl or .parquet.")
]


def candidates(
    out: TableOption,
    all_audits: Annotated[
        bool, typer.Option("--all-audits", help="Include audits that a newer audit of the same output replaced.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Write a table of the candidates of the newest audit of every output.

    Prints the path of the file. docs/tables.md describes the columns.

    Examples:
        creditline export candidates --out candidates.csv
    """
    _export("candidates", out, home, as_json, all_audits=all_audits)


def works(out: TableOption, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Write a table of the works: rights, permission, duties of the licence, identifiers.

    Examples:
        creditline export works --out works.parquet
    """
    _export("works", out, home, as_json)


def audits(out: TableOption, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Write a table of the audits: outcome, method, settings, times and hashes.

    Examples:
        creditline export audits --out audits.json
    """
    _export("audits", out, home, as_json)


def statements(out: TableOption, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Write a table of the rightsholders, with the figures of their statements.

    Examples:
        creditline export statements --out statements.csv
    """
    _export("statements", out, home, as_json)


def _export(table: str, out: Path, home: Path, as_json: bool, *, all_audits: bool = False) -> None:
    from reports.tables.write import export_table

    given = export_table(open_registry(home), table, out, now(), all_audits=all_audits)
    if as_json:
        print_json(
            "export",
            {
                "file": str(given.path),
                "files": [str(path) for path in given.files],
                "table": table,
                "rows": given.facts.rows,
                "kind": given.stamp.kind,
                "subject": given.stamp.subject,
                "facts_sha256": given.stamp.facts_sha256,
                "unread": list(given.facts.unread),
            },
        )
    else:
        echo(given.path)
    narrate(plural(given.facts.rows, "row"))
    for reason in given.facts.unread:
        narrate(f"not in the table: {reason}")
    if given.facts.unread:
        raise IntegrityError(
            f"{len(given.facts.unread)} audits are not in the table: their files are not as registered; run `creditline doctor`"
        )
