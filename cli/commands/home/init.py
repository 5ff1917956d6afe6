"""``creditline init``: create a registry."""

from __future__ import annotations

from cli.options import HomeOption, JsonOption
from cli.output import echo, narrate, print_json
from registry.home import DEFAULT_HOME


def init(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Create an empty registry. An existing registry stays as it is.

    Examples:
        creditline init
        creditline init --home /srv/provenance
    """
    from registry.home import Home
    from registry.schema.create import create_registry

    there = Home(home).has_registry()
    registry = create_registry(Home(home))
    facts = {"home": str(registry.home.root.resolve()), "schema": registry.schema_version()}
    if as_json:
        print_json("init", facts)
    else:
        echo(facts["home"])
        state = "was there already and stays as it is" if there else "is ready"
        narrate(f"the registry in {facts['home']} {state}; next: creditline register FOLDER --owners FILE")
