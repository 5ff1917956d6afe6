"""Output of every command. stdout is data, stderr is narration."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console
    from rich.progress import Progress

OUTPUT_VERSION = 1
"""Version of the ``--json`` documents; only adding a field keeps the version."""

ROWS_SHOWN = 50
"""Rows that a listing prints by default."""
MOST_JSON_ROWS = 1_000_000
"""Rows of one JSON document on stdout. Larger listings go to a file, in bounded memory."""
MOST_NAMES = 3
"""Rightsholders of a work named in one cell."""
DOCUMENT_COLUMNS = frozenset({"attributes", "duties"})
"""Columns of listings with JSON as text."""
LONGEST_CELL = 300
"""Characters of a table's cell; ``--json`` has all."""
PIPE_WIDTH = 10_000


@cache
def _narration() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def narrate(message: str) -> None:
    """Print a line for people on stderr; control characters and markup are harmless."""
    from rich.text import Text

    _narration().print(Text(printable(message)), soft_wrap=True)


def echo(text: object) -> None:
    """Print a line on stdout, without control characters."""
    typer.echo(printable(text))


def print_json(kind: str, document: Mapping[str, Any]) -> None:
    """Print the command's whole answer as one versioned JSON document on stdout."""
    versioned = {"creditline": kind, "version": OUTPUT_VERSION, **document}
    typer.echo(json.dumps(versioned, indent=2, ensure_ascii=False, default=str))


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    legend: Mapping[str, str] | None = None,
    empty_columns: bool = False,
) -> None:
    """Print rows for people on stdout, and the meaning of columns on stderr.

    Headings (``columns``) and cells (``rows``) are plain text: control characters and markup are
    harmless. ``legend``: a sentence per column that needs one. ``empty_columns``: also show columns
    that are empty in all rows.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = [
        index
        for index in range(len(columns))
        if empty_columns or not rows or any(row[index] not in (None, "", []) for row in rows)
    ]
    # A file or a pipe has no width to cut cells to.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index in shown:
        table.add_column(Text(printable(columns[index])))
    for row in rows:
        table.add_row(*(Text(_cut(cell_text(row[index]))) for index in shown))
    console.print(table)
    for index in shown:
        if legend and columns[index] in legend:
            narrate(f"{columns[index]}: {legend[columns[index]]}")


def print_fields(fields: Sequence[tuple[str, object]]) -> None:
    """Print the facts about one thing: a label and a value per line; labels align."""
    width = max((len(label) for label, _ in fields), default=0)
    for label, value in fields:
        typer.echo(f"{printable(label):<{width}}  {printable(value)}".rstrip())


def print_counts(counts: Mapping[str, int]) -> None:
    """Print the counts above zero."""
    for name, count in counts.items():
        if count:
            typer.echo(f"{count:>10,}  {name}")


def cell_text(value: object) -> str:
    """A cell for people: yes and no, lists with commas, and no control characters."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(", ".join(map(str, value)) if isinstance(value, list) else value)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"


def printable(cell: object) -> str:
    """The text with control characters replaced, so that a terminal executes none.

    Times with a zone are in UTC, to the second.
    """
    if isinstance(cell, datetime) and cell.tzinfo is not None:
        cell = f"{cell.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    text = "" if cell is None else str(cell)
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def names_of(rightsholders: Sequence[str]) -> str:
    """The first rightsholders of a work, in one cell."""
    more = len(rightsholders) - MOST_NAMES
    return "; ".join(rightsholders[:MOST_NAMES]) + (f" +{more}" if more > 0 else "")


def place_of(work: Mapping[str, Any]) -> str | None:
    """DATA-SET:PATH of a work with a file, else its URL."""
    return f"{work['data_set']}:{work['path']}" if work["path"] else work["url"]


def subject_in_words(subject: str) -> str:
    """The subject of an event for people: the log calls a work by its table's name, asset.

    >>> subject_in_words("asset 17"), subject_in_words("3 assets"), subject_in_words("member 1-00")
    ('work 17', '3 works', 'member 1-00')
    """
    return re.sub(r"^(\d+ )?asset(s| \d+)$", r"\1work\2", subject)


def plural(count: int, noun: str) -> str:
    """The count with its noun: 1 work, 2 works."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def rows_to_print(limit: int | None, total: int, *, as_json: bool) -> int:
    """The most rows that a listing with these options prints.

    Raises:
        UsageError: more rows than one JSON document holds.
    """
    from registry.errors import UsageError

    if limit is not None:
        return limit
    if not as_json:
        return ROWS_SHOWN
    if total > MOST_JSON_ROWS:
        raise UsageError(f"{total:,} rows are too many for one JSON document; use --limit, or --out FILE.jsonl")
    return MOST_JSON_ROWS


def narrate_rest(shown: int, total: int, offset: int, things: str) -> None:
    """Tell people that a listing has more rows than were printed."""
    if shown < total:
        start = f", from row {offset + 1:,}" if offset else ""
        narrate(f"{shown:,} of {total:,} {things}{start}; see --limit and --offset")


def write_rows(reader: Callable[[], Any], out: Path, things: str, *, as_json: bool) -> None:
    """Write a listing to a file, the answer to ``--out``.

    Raises:
        UsageError: the file's suffix is no table format. Nothing is read then.
    """
    from registry.export.files import check_suffix, write_listing

    check_suffix(out)
    written = write_listing(reader(), out, documents=DOCUMENT_COLUMNS)
    if as_json:
        print_json(things, {"file": str(out), "rows": written})
    else:
        narrate(f"{plural(written, 'row')} written to {out}")


def plain_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the registry for JSON: attributes as an object, times in ISO 8601."""
    plain = {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
    for name in DOCUMENT_COLUMNS & plain.keys():
        if isinstance(plain[name], str):
            plain[name] = json.loads(plain[name])
    return plain


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Progress bars with an estimate on stderr; add one task per job."""
    from cli.bars import LateProgress

    with LateProgress(_narration()) as progress:
        yield progress
