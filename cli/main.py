"""The ``creditline`` command: turns errors into one line and an exit status."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Annotated

import typer

from cli.groups import LazyGroup
from cli.output import narrate
from registry.errors import CreditlineError

UNEXPECTED = 70
"""Exit status of an unforeseen error, different from the documented ones."""
INTERRUPTED = 130
"""Exit status after Ctrl-C: 128 and the signal's number, as in shells."""
GRACE = 10.0
"""Seconds that an interrupted command may take to end in good order."""

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


class _InterruptedError(BaseException):
    """Ctrl-C. Not a KeyboardInterrupt, which typer would handle itself."""


def _interrupt(_signal: int, _frame: object) -> None:
    """End the command; the process ends after :data:`GRACE` seconds in any case.

    An exception out of a signal handler can be swallowed, or leave a lock of the progress bar
    taken. A process that ends at once loses nothing: every command survives a kill.
    """
    forced = threading.Timer(GRACE, os._exit, (INTERRUPTED,))
    forced.daemon = True
    forced.start()
    raise _InterruptedError


def main() -> None:
    """Run the command line.

    Exit status: 0 done, 1 a finding, 2 bad input, 3 registry locked or damaged, 4 an optional part
    is missing.
    """
    debug = "--debug" in sys.argv
    signal.signal(signal.SIGINT, _interrupt)
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
        reason = " ".join(str(error).split())[:300]
        narrate(f"creditline: {type(error).__name__}: {reason}; run again with --debug for the traceback")
        sys.exit(UNEXPECTED)
    except _InterruptedError:
        narrate("creditline: interrupted; run the same command again to continue")
        sys.exit(INTERRUPTED)
