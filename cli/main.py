"""The ``creditline`` command: assembles the groups of commands and turns errors into one line and an exit status."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import click
import typer

from cli.commands import GROUPS
from cli.common import narrate
from registry.errors import CreditlineError

app = typer.Typer(
    name="creditline",
    help="Where did this generated image come from, and whose work was it?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

for group in GROUPS:
    group.register_commands(app)


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


def main() -> None:
    """Run the command line; exit 0 done, 1 a finding, 2 bad input, 3 registry locked or damaged, 4 a part is missing."""
    debug = "--debug" in sys.argv
    try:
        status = app(standalone_mode=False)
    except CreditlineError as error:
        if debug:
            raise
        narrate(f"creditline: {error}")
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        narrate("creditline: interrupted; run the same command again to go on where it stopped")
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)
