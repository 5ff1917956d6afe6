"""``creditline init``, ``status`` and ``migrate``: the registry as a whole."""

from __future__ import annotations

import typer

from cli.common import HomeOption, JsonOption, home_at, narrate, plain_row, print_json, print_table, printable
from registry.home import DEFAULT_HOME


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("init")(init)
    app.command("status")(show_status)
    app.command("migrate")(migrate_registry)


def init(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Make an empty registry. A registry that is there already stays as it is.

    Examples:
        creditline init

        creditline init --home /srv/provenance
    """
    from registry.schema.create import create_registry

    registry = create_registry(home_at(home))
    facts = {"home": str(registry.home.root.resolve()), "schema": registry.schema_version()}
    if as_json:
        print_json("init", facts)
    else:
        typer.echo(facts["home"])
        narrate(f"registry ready in {facts['home']}; next: creditline register FOLDER --owners FILE")


def show_status(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Say what the registry holds, and what is missing from it.

    Examples:
        creditline status --json
    """
    from dataclasses import asdict

    from registry.storage.database import Registry
    from registry.works.status import status

    registry = Registry.open(home_at(home))
    with registry.connection() as connection:
        found = status(connection)
    if as_json:
        facts = asdict(found)
        for name in ("encodings", "ensembles"):
            facts[name] = [plain_row(row) for row in facts[name]]
        print_json("status", {"home": str(registry.home.root.resolve()), **facts})
        return
    gaps = {
        "works without rightsholder": found.works_without_rightsholder,
        "works without licence": found.works_without_licence,
        "works not found any more": found.works_missing,
    }
    counts = {_THINGS[name]: number for name, number in found.counts.items()}
    may = {f"works {name}": number for name, number in found.permissions.items() if number}
    open_matters = {"open claims": found.claims_open, "withdrawals": found.withdrawals}
    listed = {**counts, **gaps, **may, **open_matters}
    print_table(("what", "number"), [[name, f"{number:,}"] for name, number in listed.items()])
    for row in found.encodings:
        unit = row["unit_column"] or row["unit_kind"]
        typer.echo(
            printable(f"encoding {row['id']}: {row['unit_count']:,} units ({unit}), n = {row['n']}, h = {row['h']}")
        )
    for row in found.ensembles:
        typer.echo(f"ensemble {row['id']}: {row['members']} of {row['n']} members, encoding {row['encoding_id']}")


def migrate_registry(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Bring the registry of an older creditline to this one's schema. A copy of it is kept.

    Of one that has the schema already, views that somebody altered or dropped are made anew.

    Examples:
        creditline migrate --home /srv/provenance
    """
    from datetime import UTC, datetime

    from registry.schema.migrations import migrate
    from registry.storage.database import Registry

    done = migrate(Registry(home_at(home)), datetime.now(UTC))
    if as_json:
        copy = None if done.copy is None else str(done.copy)
        facts = {
            "from_schema": done.from_version,
            "to_schema": done.to_version,
            "copy": copy,
            "views": list(done.views),
        }
        print_json("migrate", facts)
    elif done.views:
        narrate(f"the registry has schema {done.to_version}; made anew: {', '.join(done.views)}")
    elif done.copy is None:
        narrate(f"the registry has schema {done.to_version} already; nothing to do")
    else:
        narrate(f"from schema {done.from_version} to {done.to_version}; the registry as it was is in {done.copy}")


_THINGS = {
    "asset": "works",
    "rightsholder": "rightsholders",
    "licence": "licences",
    "data_set": "data sets",
    "encoding": "encodings",
    "ensemble": "ensembles",
    "member": "members",
    "sample": "samples",
    "audit": "audits",
}
