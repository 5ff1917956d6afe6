"""The ``creditline`` command: assembles the groups of commands and turns errors into one line and
an exit status.
"""

from __future__ import annotations

import signal
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from cli.commands import GROUPS
from cli.common import narrate, printable
from registry.errors import CreditlineError

INTERRUPTED = 130
"""Status of a command that Ctrl-C ended: 128 and the signal's number, as shells have it."""

app = typer.Typer(
    name="creditline",
    help="Where did this generated image come from, and whose work was it?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

for heading, groups in GROUPS.items():
    for group in groups:
        group.register_commands(app)
    for command in app.registered_commands:
        command.rich_help_panel = command.rich_help_panel or heading
    for subcommands in app.registered_groups:
        if not isinstance(subcommands.rich_help_panel, str):  # a group of commands has a placeholder instead of None
            subcommands.rich_help_panel = heading


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"creditline {version('creditline')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Where did this generated image come from, and whose work was it?"""


UNEXPECTED = 70
"""Exit status of an error that no one foresaw: none of those with a meaning."""


class _InterruptedError(BaseException):
    """Ctrl-C. Not a KeyboardInterrupt, which the argument parser would answer by itself."""


def _interrupt(_signal: int, _frame: object) -> None:
    raise _InterruptedError


def main() -> None:
    """Run the command line; exit 0 done, 1 a finding, 2 bad input, 3 registry locked or damaged, 4
    a part is missing.
    """
    debug = "--debug" in sys.argv
    signal.signal(signal.SIGINT, _interrupt)
    try:
        app()
    except CreditlineError as error:
        if debug:
            raise
        narrate(printable(f"creditline: {error}"))
        sys.exit(error.exit_code)
    except (
        Exception
    ) as error:  # a defect of ours or of the machine: no traceback without --debug, and no exit status of theirs
        if debug:
            raise
        reason = " ".join(str(error).split())[:300]
        narrate(printable(f"creditline: {type(error).__name__}: {reason}; run again with --debug to see where"))
        sys.exit(UNEXPECTED)
    except _InterruptedError:
        narrate("creditline: interrupted; run the same command again to go on where it stopped")
        sys.exit(130)
