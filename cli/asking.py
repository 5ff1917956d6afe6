"""Asks before a command that cannot be undone."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli.output import narrate
from registry.errors import UsageError

YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask; a script must say so.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show the consequences; record nothing.")]


def ask(question: str, *, yes: bool) -> None:
    """Go on if the answer is yes; ``yes``: it was given with the command.

    Raises:
        UsageError: nobody can be asked, because stdin is no terminal.
        Exit: the answer is no; status 1.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            f"{question} This cannot be undone, and there is no terminal to ask on: give --yes to go on, or --dry-run to see "
            "the consequences"
        )
    if not typer.confirm(f"{question} This cannot be undone.", err=True):
        narrate("nothing was changed")
        raise typer.Exit(1)
