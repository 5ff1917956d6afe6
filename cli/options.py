"""Options and arguments of several commands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from registry.errors import UsageError
from registry.home import HOME_VARIABLE

MOST_ROWS = 10**15
"""The largest --limit and --offset: more rows than can exist, within the database's integers."""

HomeOption = Annotated[Path, typer.Option("--home", envvar=HOME_VARIABLE, help="Home folder of the registry.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]

LimitOption = Annotated[
    int | None,
    typer.Option("--limit", min=1, max=MOST_ROWS, help="Number of rows.", show_default="50; all with --json or --out"),
]
OffsetOption = Annotated[int, typer.Option("--offset", min=0, max=MOST_ROWS, help="Number of rows to skip.")]
CountOption = Annotated[bool, typer.Option("--count", help="Print only the number of rows.")]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write the rows to FILE: .csv, .json, .jsonl or .parquet."),
]

WorksArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="WORK", help="Works: id, SHA-256 or DATA-SET:PATH.", show_default=False),
]
RequiredWorksArgument = Annotated[
    list[str], typer.Argument(metavar="WORK", help="Works: id, SHA-256 or DATA-SET:PATH.")
]
RightsholderFilter = Annotated[
    str | None, typer.Option("--rightsholder", metavar="NAME", help="Only works of this rightsholder: name or '#ID'.")
]
LicenceFilter = Annotated[
    str | None,
    typer.Option("--licence", metavar="LICENCE", help="Only works under this licence: as declared, or as SPDX."),
]
DataSetFilter = Annotated[
    str | None, typer.Option("--data-set", "--source", metavar="NAME", help="Only works of this data set.")
]
PermissionFilter = Annotated[
    str | None,
    typer.Option(
        "--permission",
        metavar="PERMISSION",
        help="Only works with this permission: permitted, unclear, constrained, prohibited or withdrawn.",
    ),
]
ProbeFilter = Annotated[
    bool | None,
    typer.Option(
        "--probe/--no-probe",
        help="Only works that an encoding keeps out of all members by choice, or only others.",
        show_default="both",
    ),
]
SyntheticFilter = Annotated[
    bool | None,
    typer.Option(
        "--synthetic/--not-synthetic",
        help="Only works whose files say that an AI model made them, wholly or partly; or only the others.",
    ),
]
WorksOfRightsholderOption = Annotated[
    str | None, typer.Option("--rightsholder", metavar="NAME", help="All works of this rightsholder: name or '#ID'.")
]

EnsembleOption = Annotated[
    str | None,
    typer.Option("--ensemble", metavar="ID", help="Ensemble: id or its first digits.", show_default="the newest"),
]
SamplesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="SAMPLE", help="Samples: ids or their first digits.", show_default=False),
]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", metavar="DEVICE", help="cpu or cuda.", show_default="cuda if there is a GPU"),
]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Number of parallel processes.", show_default="one per core; one on a GPU"),
]

EngineOption = Annotated[
    Literal["local", "ray"],
    typer.Option("--engine", help="Where tasks run. local: processes of this machine. ray: a Ray cluster."),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        help="With --engine ray: the head of a running cluster that this machine is part of.",
        show_default="a cluster of this machine alone, for this command",
    ),
]


def pairs_of(option: str, given: Sequence[str], form: str, example: str, *, empty: bool = False) -> dict[str, str]:
    """The names and values of an option of the form NAME=VALUE; ``form`` calls them what they are.

    Raises:
        UsageError: one has no equals sign, no name, no value unless ``empty``, or repeats a name.
    """
    pairs: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        name = name.strip()
        if not equals or not name or not (empty or value.strip()):
            raise UsageError(f"got {option} {each[:80]!r}, expected {form}, such as {option} {example}")
        if name in pairs:
            raise UsageError(f"got {option} {name} twice, expected it once")
        pairs[name] = value
    return pairs
