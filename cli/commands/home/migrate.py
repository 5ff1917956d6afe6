"""``creditline migrate``: bring a registry to the schema of this version."""

from __future__ import annotations

from cli.opening import now
from cli.options import HomeOption, JsonOption
from cli.output import narrate, print_json
from registry.home import DEFAULT_HOME


def migrate(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Bring an older registry to the schema of this version, and keep a copy of it.

    In a registry of this schema, altered or dropped views are restored.

    Examples:
        creditline migrate --home /srv/provenance
    """
    from registry.home import Home
    from registry.schema.migrations import migrate as migrate_registry
    from registry.storage.database import Registry

    done = migrate_registry(Registry(Home(home)), now())
    if as_json:
        facts = {
            "from_schema": done.from_version,
            "to_schema": done.to_version,
            "copy": None if done.copy is None else str(done.copy),
            "views": list(done.views),
        }
        print_json("migrate", facts)
    elif done.views:
        narrate(f"the registry has schema {done.to_version}; restored views: {', '.join(done.views)}")
    elif done.copy is None:
        narrate(f"the registry has schema {done.to_version} already; nothing to do")
    else:
        narrate(f"migrated from schema {done.from_version} to {done.to_version}; the former registry is in {done.copy}")
