"""``creditline policies``: list the recorded site policies."""

from __future__ import annotations

from cli.opening import open_registry
from cli.options import HomeOption, JsonOption
from cli.output import plain_row, print_json, print_table
from registry.home import DEFAULT_HOME


def policies(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """List the recorded site policies, current and replaced ones.

    Examples:
        creditline policies
    """
    from registry.site_policies.store import policies as recorded_policies

    with open_registry(home).connection() as connection:
        rows = recorded_policies(connection)
    if as_json:
        print_json("policies", {"policies": [plain_row(row) for row in rows]})
        return
    columns = ("policy_id", "kind", "domain", "subdomains", "file_name", "agents", "signals", "counts")
    print_table(("policy", *columns[1:]), [[row[name] for name in columns] for row in rows])
