"""Listings as files: spreadsheet-safe CSV, Parquet, JSON; of any length, in bounded memory.

    rows = connection.execute("SELECT * FROM work").to_arrow_reader(65_536)
    write_listing(rows, Path("works.csv"))

Batches are written column by column, so ten million rows cost no more memory than ten thousand. The
file appears under its name only when complete. Columns keep their names, in every format:

- ``.csv``: RFC 4180 in UTF-8; text that a spreadsheet would run as a formula gets an apostrophe in
  front, control characters are replaced; times in ISO 8601, lists and JSON as JSON, bytes in hex,
  nothing for null.
- ``.json``: one array with an object per row, or, with ``head``, an object that has the rows as its
  last field; ``.jsonl``: an object per line. Text is exactly what the registry has.
- ``.parquet``: typed, compressed; text is exactly what the registry has. Metadata of the rows'
  schema goes into the file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from registry.errors import InputError, UsageError
from registry.export.cells import csv_cells, joined, json_texts, quoted, spreadsheet_text
from registry.home import write_atomically

SUFFIXES = (".csv", ".json", ".jsonl", ".parquet")
_AT_ONCE = 65_536
"""Rows that become texts together."""

Rows: TypeAlias = pa.Table | pa.RecordBatchReader


@dataclass(frozen=True)
class _Form:
    """How rows are written, beside the format."""

    documents: Collection[str] = ()
    head: Mapping[str, Any] | None = None
    cell_limit: int | None = None


def check_suffix(path: Path) -> None:
    """Check before the query runs that a file name's ending is known and its folder exists.

    A missing folder is not made, because the path may be mistyped.

    Raises:
        UsageError: the ending is no known format, or the folder does not exist.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"got the file {path.name!r}, expected a name that ends in {', '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise UsageError(
            f"cannot write {path}: there is no folder {path.parent}; make it first, or correct the path (nothing was written)"
        )


def write_listing(
    rows: Rows,
    path: Path,
    *,
    documents: Collection[str] = (),
    head: Mapping[str, Any] | None = None,
    cell_limit: int | None = None,
) -> int:
    """Write rows to ``path`` in the format of its ending; returns how many.

    ``documents`` are the columns with JSON texts; a JSON file contains them as values. ``head`` are
    fields before the ``rows`` of a ``.json`` file; ``cell_limit`` is the most characters of a cell
    of a ``.csv`` file.

    Raises:
        UsageError: an unknown ending, no such folder, or two columns with one name.
        InputError: the file cannot be written.
    """
    check_suffix(path)
    counted: list[int] = []

    def fill(place: Path) -> None:
        with place.open("wb") as file:
            counted.append(write_rows(rows, file, path.suffix, documents=documents, head=head, cell_limit=cell_limit))

    write_atomically(path, fill)
    return counted[0]


def write_rows(
    rows: Rows,
    file: BinaryIO,
    suffix: str,
    *,
    documents: Collection[str] = (),
    head: Mapping[str, Any] | None = None,
    cell_limit: int | None = None,
) -> int:
    """:func:`write_listing` into an open file, in the format of ``suffix`` (:data:`SUFFIXES`).

    Raises:
        UsageError: two columns have one name, or the format cannot hold a column.
        InputError: the query breaks off.
    """
    reader = rows.to_reader(max_chunksize=_AT_ONCE) if isinstance(rows, pa.Table) else rows
    repeated = sorted({name for name in reader.schema.names if reader.schema.names.count(name) > 1})
    if repeated:
        raise UsageError(f"several columns have the name {repeated[0]!r}; give them different ones with AS")
    write: Callable[[pa.RecordBatchReader, BinaryIO, _Form], int] = {
        ".csv": _write_csv,
        ".json": _write_json,
        ".jsonl": _write_json_lines,
        ".parquet": _write_parquet,
    }[suffix.lower()]
    return write(reader, file, _Form(documents, head, cell_limit))


def _write_parquet(rows: pa.RecordBatchReader, file: BinaryIO, _form: _Form) -> int:
    count = 0
    try:
        writer = pq.ParquetWriter(file, rows.schema, compression="zstd")
    except pa.ArrowException as error:
        raise UsageError(f"Parquet cannot hold this listing: {error}; cast the column to VARCHAR") from error
    with writer:
        for batch in _batches(rows):
            writer.write_batch(batch)
            count += batch.num_rows
    return count


def _write_csv(rows: pa.RecordBatchReader, file: BinaryIO, form: _Form) -> int:
    header = [quoted(pa.array([spreadsheet_text(name)]))[0].as_py() for name in rows.schema.names]
    file.write((",".join(header) + "\r\n").encode())
    count = 0
    for batch in _batches(rows):
        _write_lines(file, [csv_cells(column, form.cell_limit) for column in batch.columns], ",", "", "\r\n")
        count += batch.num_rows
    return count


def _write_json_lines(rows: pa.RecordBatchReader, file: BinaryIO, form: _Form) -> int:
    count = 0
    for batch in _batches(rows):
        _write_lines(file, _json_fields(batch, form.documents), ",", "{", "}\n")
        count += batch.num_rows
    return count


def _write_json(rows: pa.RecordBatchReader, file: BinaryIO, form: _Form) -> int:
    count = 0
    fields = [f"{json.dumps(name)}: {json.dumps(value, allow_nan=False)}," for name, value in (form.head or {}).items()]
    start, end = ("\n".join(["{", *fields, '"rows": ']), "}\n") if fields else ("", "")
    file.write(start.encode())
    for batch in _batches(rows):
        file.write(b",\n" if count else b"[\n")
        # Between the rows alone: the last line of a batch has no comma.
        *most, last = (batch.slice(0, batch.num_rows - 1), batch.slice(batch.num_rows - 1))
        for part in most:
            _write_lines(file, _json_fields(part, form.documents), ",", "{", "},\n")
        _write_lines(file, _json_fields(last, form.documents), ",", "{", "}")
        count += batch.num_rows
    file.write(b"\n]\n" if count else b"[]\n")
    file.write(end.encode())
    return count


def _batches(rows: pa.RecordBatchReader) -> Iterable[pa.RecordBatch]:
    """The rows, so many together; an error of the query becomes an InputError."""
    try:
        for batch in rows:
            for start in range(0, batch.num_rows, _AT_ONCE):
                yield batch.slice(start, _AT_ONCE)
    except (pa.ArrowException, OSError, duckdb.Error) as error:
        raise InputError(f"the listing broke off: {str(error).splitlines()[0]}; nothing was written") from error


def _write_lines(file: BinaryIO, columns: list[pa.Array], between: str, before: str, after: str) -> None:
    """A line per row: the texts of the columns, with something before, between and after them."""
    if not columns or not len(columns[0]):
        return
    lines = joined(before, joined(*columns, between=between), after)
    # The lines lie one behind the other in the array's buffer, which is all that the file needs.
    file.write(memoryview(pa.concat_arrays([lines]).buffers()[2]))


def _json_fields(batch: pa.RecordBatch, documents: Collection[str]) -> list[pa.Array]:
    """The texts ``"name":value`` of each column."""
    return [
        joined(json.dumps(name, ensure_ascii=False) + ":", json_texts(column, is_document=name in documents))
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
