"""Listings as files: CSV that is safe to open in a spreadsheet, Parquet, JSON; of any length, in bounded memory.

    write_listing(connection.execute("SELECT * FROM work").to_arrow_reader(65_536), Path("works.csv"))

Rows come in batches and each batch is written column by column, so ten million rows cost no more memory than ten thousand. The
file appears under its name when it is complete, never before. Columns keep their names, in every format:

- ``.csv``: RFC 4180 in UTF-8; text that a spreadsheet would run as a formula gets an apostrophe in front, control characters
  are replaced; times in ISO 8601, lists and JSON as JSON, bytes in hex, nothing for null.
- ``.json``: one array with an object per row, or, with ``head``, an object that has the rows as its last field; ``.jsonl``: an
  object per line. Text is exactly what the registry has.
- ``.parquet``: typed, compressed; text is exactly what the registry has. Metadata of the rows' schema goes into the file.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from registry.errors import InputError, UsageError
from registry.home import write_atomically

SUFFIXES = (".csv", ".json", ".jsonl", ".parquet")

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# Whatever is not plain printable text, or starts like a formula: few cells, which are then looked at one by one.
_SUSPECT_IN_CSV = r"^[ ]*[=+\-@]|^[ ]*[^\x20-\x7e]|[\x00-\x1f\x7f-\x{9f}]"
_SUSPECT_IN_JSON = r'[\x00-\x1f"\\]'


Rows: TypeAlias = pa.Table | pa.RecordBatchReader


@dataclass(frozen=True)
class _Form:
    """How rows are written, beside the format."""

    documents: Collection[str] = ()
    head: Mapping[str, Any] | None = None
    cell_limit: int | None = None


def check_suffix(path: Path) -> None:
    """Say before a query rather than after it what speaks against a file: its name must say which format is meant, and its
    folder must be there. A folder is never made, since a mistyped one would have the listing where nobody looks for it.

    Raises:
        UsageError: the name ends in no format that there is, or the folder is not there.
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
    """Write rows to ``path`` in the format that its name ends in; returns how many.

    ``documents`` are the columns whose texts are JSON: where the file is JSON, they are part of it. ``head`` are fields that a
    ``.json`` file has before its ``rows``; ``cell_limit`` is how many characters a cell of a ``.csv`` file has at most.

    Raises:
        UsageError: the name ends in no format that there is, its folder is not there, or two columns have one name.
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
    """The same into a file that is open, in the format of ``suffix``, one of :data:`SUFFIXES`.

    Raises:
        UsageError: two columns have one name, or the format cannot hold a column.
        InputError: the rows break off.
    """
    reader = rows.to_reader(max_chunksize=65_536) if isinstance(rows, pa.Table) else rows
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


def spreadsheet_text(text: str) -> str:
    r"""Text as a cell of a CSV file: what a spreadsheet might run gets an apostrophe in front, control characters are replaced.

    >>> spreadsheet_text("=1+1"), spreadsheet_text("\uff1d1"), spreadsheet_text("1 = 1")
    ("'=1+1", "'\\uff1d1", '1 = 1')
    """
    plain = "".join(
        REPLACEMENT if unicodedata.category(character) in ("Cc", "Cs") and character not in "\t\r\n" else character
        for character in text
    )
    return "'" + plain if _is_formula(plain) else plain


def _is_formula(text: str) -> bool:
    """Whether a spreadsheet might run the text: what counts is the first character that it would not skip.

    Full-width signs are folded to the plain ones, as some spreadsheets do.
    """
    if text[:1] in ("\t", "\r", "\n"):
        return True
    visible = text.lstrip(" \u00a0\u200b\ufeff" + REPLACEMENT)
    return unicodedata.normalize("NFKC", visible[:1])[:1] in ("=", "+", "-", "@", "\N{MINUS SIGN}")


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
    header = [_quoted(pa.array([spreadsheet_text(name)]))[0].as_py() for name in rows.schema.names]
    file.write((",".join(header) + "\r\n").encode())
    count = 0
    for batch in _batches(rows):
        _write_lines(file, [_csv_column(column, form.cell_limit) for column in batch.columns], ",", "", "\r\n")
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
    """The batches that have rows; an error of the query behind them is one of ours."""
    try:
        for batch in rows:
            if batch.num_rows:
                yield batch
    except (pa.ArrowException, OSError, duckdb.Error) as error:
        raise InputError(f"the listing broke off: {str(error).splitlines()[0]}; nothing was written") from error


def _write_lines(file: BinaryIO, columns: list[pa.Array], between: str, before: str, after: str) -> None:
    """A line per row: the texts of the columns, with something before, between and after them."""
    if not columns or not len(columns[0]):
        return
    lines = _joined(before, _joined(*columns, between=between), after)
    # The lines lie one behind the other in the array's buffer, which is all that the file needs.
    file.write(memoryview(pa.concat_arrays([lines]).buffers()[2]))


def _csv_column(column: pa.Array, limit: int | None) -> pa.Array:
    kind = column.type
    if _is_text(kind):
        return _csv_texts(column.cast(pa.large_string()), limit)
    plain = _plain_text(column)
    if plain is None:
        cells = [None if value is None else _nested_text(value) for value in column.to_pylist()]
        return _csv_texts(pa.array(cells, pa.large_string()), limit)
    return pc.fill_null(plain, "")


def _csv_texts(texts: pa.Array, limit: int | None) -> pa.Array:
    """Cells of text: nothing runs, none is longer than the limit and the sign that something was cut, quoted where it must be."""
    texts = _replaced(texts, _SUSPECT_IN_CSV, spreadsheet_text)
    if limit is not None:
        too_long = pc.greater(pc.utf8_length(texts), limit)
        if pc.any(too_long).as_py():
            texts = pc.if_else(too_long, _joined(pc.utf8_slice_codeunits(texts, 0, limit), "…"), texts)
    return _quoted(pc.fill_null(texts, ""))


def _quoted(texts: pa.Array) -> pa.Array:
    """In quotation marks where RFC 4180 wants them."""
    texts = texts.cast(pa.large_string())
    doubled = pc.replace_substring(texts, '"', '""')
    return pc.if_else(pc.match_substring_regex(texts, '[",\r\n]'), _joined('"', doubled, '"'), texts)


def _json_fields(batch: pa.RecordBatch, documents: Collection[str]) -> list[pa.Array]:
    """By column, the texts ``"name":value``."""
    return [
        _joined(json.dumps(name, ensure_ascii=False) + ":", _json_column(column, is_document=name in documents))
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]


def _json_column(column: pa.Array, *, is_document: bool) -> pa.Array:
    kind = column.type
    null = pa.scalar("null", pa.large_string())
    if is_document:
        # It may be laid out over several lines; within its texts a line break is written as two other characters.
        return pc.fill_null(pc.replace_substring_regex(column.cast(pa.large_string()), r"[\r\n]", " "), null)
    if _is_text(kind):
        texts = column.cast(pa.large_string())
        plain = _joined('"', texts, '"')
        suspect = pc.fill_null(pc.match_substring_regex(texts, _SUSPECT_IN_JSON), False)
        if pc.any(suspect).as_py():
            written = [json.dumps(text, ensure_ascii=False) for text in pc.filter(texts, suspect).to_pylist()]
            plain = pc.replace_with_mask(plain, suspect, pa.array(written, pa.large_string()))
        return pc.fill_null(plain, null)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return pc.fill_null(column.cast(pa.large_string()), null)
    plain = None if pa.types.is_floating(kind) else _plain_text(column)
    if plain is not None:
        return pc.fill_null(_joined('"', plain, '"'), null)
    return pa.array([_json_text(value) for value in column.to_pylist()], pa.large_string())


def _plain_text(column: pa.Array) -> pa.Array | None:
    """Numbers, truths and times as text that neither format need quote; None for other types."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        pattern = "%Y-%m-%dT%H:%M:%S" + ("+00:00" if kind.tz else "")
        return pc.strftime(column.cast(pa.timestamp("us", tz="UTC" if kind.tz else None)), pattern).cast(
            pa.large_string()
        )
    if pa.types.is_null(kind):
        return pa.nulls(len(column), pa.large_string())
    if pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_boolean(kind):
        return column.cast(pa.large_string()) if not pa.types.is_interval(kind) else None
    return None


def _nested_text(value: Any) -> str:  # noqa: ANN401 - whatever a query may return
    return value.hex() if isinstance(value, bytes) else value if isinstance(value, str) else _json_text(value)


def _json_text(value: Any) -> str:  # noqa: ANN401 - whatever a query may return
    return json.dumps(_finite(value), ensure_ascii=False, default=_told)


def _finite(value: Any) -> Any:  # noqa: ANN401 - whatever a query may return
    """The value with null for numbers that JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(name): _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def _told(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _replaced(texts: pa.Array, suspect: str, replacement: Callable[[str], str]) -> pa.Array:
    """The texts, with those that the pattern finds put through ``replacement``."""
    found = pc.fill_null(pc.match_substring_regex(texts, suspect), False)
    if not pc.any(found).as_py():
        return texts
    written = [replacement(text) for text in pc.filter(texts, found).to_pylist()]
    return pc.replace_with_mask(texts, found, pa.array(written, pa.large_string()))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _joined(*parts: pa.Array | str, between: str = "") -> pa.Array:
    """Row by row, the parts one behind the other; null where one is null."""
    texts = [pa.scalar(part, pa.large_string()) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*texts, pa.scalar(between, pa.large_string()))
