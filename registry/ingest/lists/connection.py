"""DuckDB for files from outside: a database in memory, bounded, without access to other files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from registry.errors import InputError

MEMORY = "1GB"


def literal(text: str) -> str:
    """The text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """The name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def one_line(text: str, longest: int = 120) -> str:
    """A name or message from outside, printable: without control characters, cut if long."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if len(line) <= longest else line[: longest - 1] + "…"


def listed(names: Sequence[str], most: int = 40) -> str:
    """Names for a message: quoted, at most ``most``."""
    shown = ", ".join(repr(one_line(name)) for name in names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown or "none"


@contextmanager
def reader(files: Sequence[Path], staging: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that reads ``files``, reads and writes ``staging``, and nothing else."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY,
        "autoinstall_known_extensions": False,
        "preserve_insertion_order": True,
    }
    with duckdb.connect(":memory:", config=config) as connection:
        connection.execute("SET enable_progress_bar = false")
        if staging is not None:
            connection.execute(f"SET temp_directory = {literal(str(staging / 'spill'))}")
            connection.execute(f"SET allowed_directories = [{literal(str(staging) + '/')}]")
        connection.execute(f"SET allowed_paths = [{', '.join(literal(str(file)) for file in files)}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection


@contextmanager
def translated_errors(name: str) -> Iterator[None]:
    """Turn DuckDB's errors about an unreadable file into an :class:`InputError` of one line.

    Put this around every query: DuckDB reads pages only then, so damage inside a file shows then
    and not when the list is opened.
    """
    try:
        yield
    except (duckdb.Error, MemoryError) as error:
        kind = (
            "it needs more memory than is allowed, "
            if isinstance(error, (duckdb.OutOfMemoryException, MemoryError))
            else ""
        )
        first = str(error).strip().split("\n", 1)[0] or type(error).__name__
        raise InputError(f"{one_line(name)} cannot be read: {kind}{one_line(first, 240)}") from error
