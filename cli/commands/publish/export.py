"""``creditline export``: filings, standard formats and tables."""

from __future__ import annotations

import typer

from cli.commands.publish.export_filings import ab_2013, ai_act
from cli.commands.publish.export_standards import croissant, cyclonedx, prov, spdx
from cli.commands.publish.export_tables import audits, candidates, statements, works

export = typer.Typer(
    no_args_is_help=True,
    help="""Write filings, standard formats and tables of the registry.

    Examples:
        creditline export works --out works.csv
    """,
)
for command in (ai_act, ab_2013, croissant, cyclonedx, spdx, prov, candidates, works, audits, statements):
    export.command()(command)
