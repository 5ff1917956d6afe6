"""The ``creditline`` command: turns errors into one line and an exit status."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli.groups import LazyGroup
from cli.interruption import InterruptionError, handle_interruptions
from cli.output import narrate
from registry.errors import CreditlineError, InputError

UNEXPECTED = 70
"""Exit status of an unforeseen error, different from the documented ones."""

app = typer.Typer(
    name="creditline",
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

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


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def main() -> None:
    """Run the command line.

    Exit status: 0 done, 1 a finding, 2 bad input, 3 registry locked or damaged, 4 an optional part
    is missing, 130 Ctrl-C, 143 SIGTERM.
    """
    debug = "--debug" in sys.argv
    handle_interruptions()
    try:
        app(prog_name="creditline")
    except CreditlineError as error:
        if debug:
            raise
        narrate(f"creditline: {error}")
        sys.exit(error.exit_code)
    except Exception as error:
        if debug:
            raise
        from registry.home import FREE_SPACE, lacks_space

        if lacks_space(error):
            narrate(f"creditline: {_one_line(error)}; {FREE_SPACE}")
            sys.exit(InputError.exit_code)
        narrate(f"creditline: {type(error).__name__}: {_one_line(error)}; run again with --debug for the traceback")
        sys.exit(UNEXPECTED)
    except InterruptionError as error:
        error.tell()
        sys.exit(error.status)
