"""Reading an owner table, CSV or Parquet, into rows of text.

A table comes from a spreadsheet, a script or another organisation. A fault of the whole table is an
error that names the line; faults of single rows are left to :mod:`registry.ingest.owners.table`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from registry.errors import InputError
from registry.file_kinds import LOOKED_AT, described

LARGEST_TABLE = 2**31
_PERHAPS_CSV = (None, "text", "text in UTF-16")


@dataclass(frozen=True)
class TableRow:
    """One row; ``number`` is the line of a CSV file, or the row (from 1) of a Parquet file."""

    number: int
    values: tuple[str | None, ...]


@dataclass(frozen=True)
class Table:
    """Column names as the file has them, and its rows."""

    columns: tuple[str, ...]
    rows: Iterator[TableRow]


def read_table(path: Path, what: str = "owner table") -> Table:
    """Open a table; a file that begins with Parquet's mark is Parquet, every other one is CSV.

    CSV is UTF-8, with or without byte order mark, separated by commas, semicolons or tabs
    (the most frequent in its first line). ``what``: the table in messages.

    Raises:
        InputError: it cannot be read; also raised while the rows are read.
    """
    try:
        if path.stat().st_size > LARGEST_TABLE:
            raise InputError(f"{path} has more than {LARGEST_TABLE:,} bytes; split it")
        with path.open("rb") as file:
            start = file.read(LOOKED_AT)
            if start.startswith(b"PAR1"):
                return _read_parquet(path)
            if (kind := described(start)) not in _PERHAPS_CSV:
                raise InputError(f"{what}: expected CSV or Parquet; {path} looks like {kind}")
            data = start + file.read()
    except OSError as error:
        raise InputError(f"cannot read the {what} {path}: {error.strerror}") from error
    return read_csv(path, data)


def read_csv(path: Path, data: bytes) -> Table:
    """Read the bytes of a CSV file, with or without byte order mark; ``path`` is for messages.

    Raises:
        InputError: names the line; also raised while the rows are read.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path} is UTF-16, expected UTF-8; save it as `CSV UTF-8`")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: byte {error.object[error.start]:#04x} is not UTF-8; save the table as `CSV UTF-8`"
        ) from error
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    rows = _csv_rows(path, reader)
    header = next(rows, None)
    if header is None:
        raise InputError(f"{path} is empty, expected a line of column names")
    return Table(tuple(value or "" for value in header.values), rows)


def _csv_rows(path: Path, reader: Iterator[list[str]]) -> Iterator[TableRow]:
    number = 1
    while True:
        try:
            values = next(reader, None)
        except csv.Error as error:
            line = getattr(reader, "line_num", number)
            raise InputError(f"{path}, line {line}: {error}; correct the line") from error
        if values is None:
            return
        if values:  # a blank line is no row
            yield TableRow(number, tuple(values))
        number = getattr(reader, "line_num", number) + 1


def _read_parquet(path: Path) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        columns = [
            [None if value is None else value if isinstance(value, str) else str(value) for value in column.to_pylist()]
            for column in table.columns
        ]
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path} is not a Parquet file that can be read: {str(error).splitlines()[0]}") from error
    nested = [field.name for field in table.schema if pa.types.is_nested(field.type) or pa.types.is_binary(field.type)]
    if nested:
        raise InputError(
            f"{path} has the column {nested[0]!r} of type {table.schema.field(nested[0]).type}, expected text"
        )
    rows = (TableRow(number, values) for number, values in enumerate(zip(*columns, strict=True), start=1))
    return Table(tuple(table.column_names), rows)
