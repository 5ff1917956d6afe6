"""The answer of commands that write a page with its tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import narrate, print_json
from registry.errors import UsageError

if TYPE_CHECKING:
    from registry.storage.database import Registry
    from reports.data_sets.facts import DataSetFacts
    from reports.issuing.document import Written
    from reports.settlements.facts import SettlementFacts
    from reports.statements.facts import StatementFacts

FolderOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="FOLDER", help="Folder to write to.", show_default="reports/ in the home folder"),
]


def folder_for(registry: Registry, out: Path | None) -> Path:
    """The folder of ``--out``; without one, the home's.

    Raises:
        UsageError: none was given, and the home can only be read.
    """
    if out is None and not registry.writable:
        raise UsageError(f"{registry.home.root} can only be read here: name a folder outside it with --out FOLDER")
    return out or registry.home.reports


def narrate_unrecorded(registry: Registry) -> None:
    """Say that documents made from a home that can only be read are not issued."""
    if not registry.writable:
        narrate(
            f"not issued: {registry.home.root} can only be read here, so its log does not name these files; each of them says so"
        )


def show_written(
    kind: str,
    names: dict[str, Any],
    written: Written[Any],
    facts: StatementFacts | DataSetFacts | SettlementFacts,
    as_json: bool,
) -> None:
    """Print the path of the page, its verdict and its gaps."""
    if as_json:
        files = [str(path) for path in written.files]
        verdict = {"verdict": facts.verdict, "gaps": facts.gaps}
        print_json(kind, {**names, "page": str(written.page), "files": files, **verdict})
    else:
        typer.echo(str(written.page))
    narrate(facts.verdict)
    for gap in facts.gaps:
        narrate(f"gap: {gap}")
