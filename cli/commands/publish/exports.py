"""``creditline export``: what the registry knows, in the forms that authorities, partners and tools
expect.
"""

from __future__ import annotations

import typer

from cli.commands.publish import export_filings, export_standards, export_tables

group = typer.Typer(help="Write filings, standard formats and tables of what the registry knows.", no_args_is_help=True)


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.add_typer(group, name="export")
    export_filings.register_exports(group)
    export_standards.register_exports(group)
    export_tables.register_exports(group)
