"""``creditline status``: the numbers of the registry."""

from __future__ import annotations

from cli.opening import open_registry
from cli.options import HomeOption, JsonOption
from cli.output import echo, plain_row, print_json, print_table
from registry.home import DEFAULT_HOME

_TABLES = {
    "asset": "works",
    "rightsholder": "rightsholders",
    "licence": "licences",
    "data_set": "data sets",
    "encoding": "encodings",
    "base_model": "base models",
    "ensemble": "ensembles",
    "member": "members",
    "sample": "samples",
    "audit": "audits",
}


def status(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Count what the registry holds and what it lacks.

    Examples:
        creditline status
        creditline status --json
    """
    from dataclasses import asdict

    from registry.works.status import status as read_status

    registry = open_registry(home)
    with registry.connection() as connection:
        found = read_status(connection)
    if as_json:
        facts = asdict(found)
        for name in ("encodings", "ensembles"):
            facts[name] = [plain_row(row) for row in facts[name]]
        print_json("status", {"home": str(registry.home.root.resolve()), **facts})
        return
    counts = {
        **{_TABLES[name]: number for name, number in found.counts.items()},
        **{f"works {name}": number for name, number in found.permissions.items() if number},
        "works without rightsholder": found.works_without_rightsholder,
        "works without licence": found.works_without_licence,
        "works missing: the file was not found again": found.works_missing,
        "open claims": found.claims_open,
        "withdrawals": found.withdrawals,
    }
    print_table(("what", "number"), [[name, f"{number:,}"] for name, number in counts.items()])
    for row in found.encodings:
        unit = row["unit_column"] or row["unit_kind"]
        echo(f"encoding {row['id']}: {row['unit_count']:,} units ({unit}), n = {row['n']}, h = {row['h']}")
    for row in found.ensembles:
        echo(f"ensemble {row['id']}: {row['members']} of {row['n']} members, encoding {row['encoding_id']}")
