"""What every command shares: options, output and progress. stdout is data, stderr is narration."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from registry.home import DEFAULT_HOME, HOME_VARIABLE, Home

OUTPUT_VERSION = 1
"""Version of the ``--json`` documents; a field may be added without a new version, never removed or
changed."""

MOST_ROWS = 10**15
"""What --limit and --offset may say at most: more than there can be, and small enough to count
with."""

HomeOption = Annotated[
    Path,
    typer.Option("--home", envvar=HOME_VARIABLE, help="Folder of the registry and its files.", show_default=True),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
LimitOption = Annotated[
    int | None,
    typer.Option(
        "--limit", min=1, max=MOST_ROWS, help="Rows at most; 50 unless told otherwise, all in --json and --out."
    ),
]
OffsetOption = Annotated[
    int, typer.Option("--offset", min=0, max=MOST_ROWS, help="Rows to leave out at the beginning.")
]
CountOption = Annotated[bool, typer.Option("--count", help="Print the number of rows and nothing else.")]
WorksArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[WORK]...", help="Number, SHA-256 or <data set>:<path>.", show_default=False),
]
RightsholderFilter = Annotated[
    str | None, typer.Option("--rightsholder", metavar="NAME", help="Only this one's; a name, or #NUMBER.")
]
LicenceFilter = Annotated[
    str | None, typer.Option("--licence", metavar="REF", help="Only under this one: as declared, or as SPDX.")
]
PermissionFilter = Annotated[
    str | None, typer.Option("--permission", help="permitted, unclear, constrained, prohibited or withdrawn.")
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write the rows to a file: .csv, .json, .jsonl or .parquet."),
]

ROWS_SHOWN = 50
"""Rows that a listing prints unless told otherwise."""
MOST_JSON_ROWS = 1_000_000
"""Rows of one JSON document on stdout; more go to a file, which is written in bounded memory."""

MOST_NAMES = 3
"""Rightsholders of a work whose names a table has."""

DOCUMENT_COLUMNS = frozenset({"attributes", "duties"})
"""Columns of listings whose texts are JSON."""

LONGEST_CELL = 300
"""Characters of a table's cell."""
PIPE_WIDTH = 10_000

narration = Console(stderr=True, highlight=False)


def home_at(path: Path = DEFAULT_HOME) -> Home:
    """The home that ``--home`` names."""
    return Home(path)


def narrate(message: str) -> None:
    """Tell people something on stderr; machines do not read it. ``message`` is plain text, not
    markup.
    """
    narration.print(Text(message), soft_wrap=True)


def print_json(kind: str, document: Mapping[str, Any]) -> None:
    """Print the command's whole answer as one versioned JSON document on stdout."""
    typer.echo(json.dumps(versioned(kind, document), indent=2, ensure_ascii=False, default=str))


def versioned(kind: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """The answer with its kind and the version of its form."""
    return {"creditline": kind, "version": OUTPUT_VERSION, **document}


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows for people on stdout. Cells are plain text: markup and control characters in them
    stay harmless.
    """
    # Into a file or a pipe nothing is cut to the width of a terminal that is not there.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(_cut(printable(cell))) for cell in row))
    console.print(table)


def _cut(text: str) -> str:
    """One endless name must not pad every row of a table; ``--json`` has it whole."""
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"


def printable(cell: object) -> str:
    """Text that no terminal takes for a command: control characters and the like are replaced."""
    text = "" if cell is None else str(cell)
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def names_of(rightsholders: Sequence[str]) -> str:
    """A work's rightsholders in one cell; of many the first."""
    more = len(rightsholders) - MOST_NAMES
    return "; ".join(rightsholders[:MOST_NAMES]) + (f" +{more}" if more > 0 else "")


def rows_to_print(limit: int | None, total: int, *, as_json: bool) -> int:
    """How many rows a listing with these options prints at most.

    Raises:
        UsageError: more than one JSON document should hold.
    """
    from registry.errors import UsageError

    if limit is not None:
        return limit
    if not as_json:
        return ROWS_SHOWN
    if total > MOST_JSON_ROWS:
        raise UsageError(f"{total:,} rows are too many for one JSON document; use --limit, or --out FILE.jsonl")
    return MOST_JSON_ROWS


def say_what_is_left(shown: int, total: int, offset: int, things: str) -> None:
    """Tell people that a listing has more than they see."""
    if shown < total:
        narrate(
            f"{shown:,} of {total:,} {things}"
            + (f", from number {offset + 1:,}" if offset else "")
            + "; see --limit and --offset"
        )


def plain_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the registry as JSON has it: attributes as an object, times in ISO 8601."""
    plain = {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
    for name in DOCUMENT_COLUMNS & plain.keys():
        if isinstance(plain[name], str):
            plain[name] = json.loads(plain[name])
    return plain


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Progress bars with an estimate on stderr; add one task per thing that people wait for."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=narration) as progress:
        yield progress


def stated_on_the_command_line(rightsholder: str | None, licence: str | None) -> tuple[str | None, str | None]:
    """The two, tidied.

    Raises:
        UsageError: one is no line of text.
    """
    from registry.errors import UsageError
    from registry.text import has_control_characters, tidy

    name, reference = tidy(rightsholder), tidy(licence)
    if (rightsholder is not None and name is None) or has_control_characters(f"{name}{reference}"):
        raise UsageError(
            f"got the rightsholder {rightsholder!r} and the licence {licence!r}, expected one line of text each"
        )
    return name, reference
