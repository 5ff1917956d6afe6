"""CSV and JSON lines into Parquet, every column as text, in bounded memory.

Types are checked later, row by row; here only a fault of the whole file is an error. Malformed
lines become refused rows by a slower reading: :mod:`registry.ingest.lists.malformed_rows`.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from registry.errors import InputError
from registry.home import FREE_SPACE, lacks_space
from registry.ingest.lists.connection import identifier, listed, literal, one_line, reader
from registry.ingest.lists.malformed_rows import (
    LONGEST_LINE,
    MARK,
    NOT_UTF8,
    OPEN_QUOTE,
    TOO_DEEP,
    TOO_LONG,
    opened,
    split_csv,
    split_json,
    too_deep,
)
from registry.storage.row_groups import ROW_GROUP

LARGEST_TEXT = 2**40
MOST_COLUMNS = 1_000
_GZIP = b"\x1f\x8b"
_PARQUET = f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})"


class _LineError(InputError):
    """A line is malformed; others may be sound."""


@dataclass(frozen=True)
class _Text:
    """The list itself, or its copy without malformed lines: :data:`MARK` added, without header."""

    path: Path
    """The list, for messages."""
    file: Path
    packed: bool
    header: Sequence[str] = ()
    delimiter: str = ""
    marked: bool = False


def convert(path: Path, kind: str, target: Path) -> Mapping[int, int] | None:
    """Write the ``csv`` or ``json`` lines of ``path`` to Parquet; temporary data go beside it.

    Returns:
        None if all lines are sound. Otherwise ``target`` has the column :data:`MARK` with the fault
        of each malformed line, and the result is, for the first of these, row (from 1) to line.

    Raises:
        InputError: the file has another format, or no line can be read; the message names the line.
    """
    packed = _check_packed(path)
    header, delimiter = _header(path, packed) if kind == "csv" else ((), "")
    try:
        _write(_Text(path, path, packed, header, delimiter), target)
    except _LineError as fault:
        copy = target.with_suffix(".clean")
        try:
            csv_like = kind == "csv"
            clean = split_csv(path, packed, header, delimiter, copy) if csv_like else split_json(path, packed, copy)
            _write(_Text(path, copy, False, header, delimiter, marked=True), target)
        except _LineError:
            raise fault from None  # DuckDB is stricter about something
        finally:
            copy.unlink(missing_ok=True)
        return clean.lines
    return None


def _write(text: _Text, target: Path) -> None:
    with reader([text.file], target.parent) as connection:
        query = _csv_query(text) if text.header else _json_query(connection, text)
        try:
            connection.execute(f"COPY ({query}) TO {literal(str(target))} {_PARQUET}")
        except (duckdb.Error, MemoryError) as error:
            if lacks_space(error):
                raise InputError(
                    f"cannot write the rows of {text.path} to {target}: No space left on device; {FREE_SPACE}"
                ) from error
            raise _explained(text.path, error) from error


def _check_packed(path: Path) -> bool:
    """Whether a file is gzip; unpacks it once, as a cut-off file may end between two lines."""
    try:
        with path.open("rb") as file:
            if file.read(2) != _GZIP:
                return False
        total = 0
        with gzip.open(path) as unpacked:
            while block := unpacked.read(2**20):
                total += len(block)
                if total > LARGEST_TEXT:
                    raise InputError(f"{path} unpacks to more than {LARGEST_TEXT:,} bytes; split it")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is gzip that is damaged or was cut off: {one_line(str(error))}") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    return True


def _csv_query(text: _Text) -> str:
    names = [MARK, *text.header] if text.marked else text.header
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    longest = LONGEST_LINE + 2**10 if text.marked else LONGEST_LINE  # the mark comes on top
    return (
        f"SELECT * FROM read_csv([{literal(str(text.file))}], auto_detect = false, header = {not text.marked}, "  # noqa: S608 - literals
        f"columns = {{{columns}}}, delim = {literal(text.delimiter)}, quote = '\"', escape = '\"', strict_mode = true, "
        f"null_padding = false, max_line_size = {longest}, compression = '{'gzip' if text.packed else 'none'}', "
        "hive_partitioning = false)"
    )


def _header(path: Path, packed: bool) -> tuple[Sequence[str], str]:
    """Column names and delimiter: the first line's most frequent of comma, semicolon and tab."""
    try:
        with opened(path, packed) as file:
            start = file.readline(LONGEST_LINE + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path} is UTF-16, expected UTF-8; save it as `CSV UTF-8`")
    if len(start) > LONGEST_LINE:
        raise InputError(f"{path}, line 1 has more than {LONGEST_LINE:,} bytes, expected column names")
    try:
        first = re.split("\r\n|\r|\n", start.decode("utf-8-sig"), maxsplit=1)[0]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}, line 1: byte {error.object[error.start]:#04x} is not UTF-8") from error
    if not first.strip():
        raise InputError(f"{path} has an empty first line, expected column names")
    delimiter = max(",;\t", key=first.count)
    try:
        header = next(csv.reader(io.StringIO(first, newline=""), delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration) as error:
        raise InputError(f"{path}, line 1: {error}; expected column names") from error
    _check_names(path, header)
    return header, delimiter


def _check_lines(text: _Text) -> None:
    """Refuse endless or deeply nested lines, which overrun the stack of DuckDB's JSON reader."""
    number = 0
    try:
        with opened(text.file, text.packed) as file:
            while line := file.readline(LONGEST_LINE + 1):
                number += 1
                if len(line) > LONGEST_LINE:
                    raise _LineError(f"{text.path}, line {number:,}: {TOO_LONG}")
                if too_deep(line):
                    raise _LineError(f"{text.path}, line {number:,}: {TOO_DEEP}")
    except OSError as error:
        raise InputError(f"cannot read {text.path}: {error.strerror}") from error


def _json_query(connection: duckdb.DuckDBPyConnection, text: _Text) -> str:
    _check_lines(text)
    path = text.path
    options = (
        f"maximum_object_size = {LONGEST_LINE}, hive_partitioning = false, "
        f"compression = '{'gzip' if text.packed else 'uncompressed'}'"
    )
    lines = f"read_ndjson_objects([{literal(str(text.file))}], {options})"
    try:
        stray = connection.execute(
            f"SELECT json_type(json) FROM {lines} WHERE json_type(json) <> 'OBJECT' LIMIT 1"  # noqa: S608 - literals
        ).fetchone()
        if stray is not None:
            raise _LineError(f"{path} has a line that is a JSON {str(stray[0]).lower()}, expected objects")
        keys = connection.execute(
            f"SELECT key FROM (SELECT unnest(json_keys(json)) AS key FROM {lines}) GROUP BY key "  # noqa: S608 - literals
            f"ORDER BY key LIMIT {MOST_COLUMNS + 2}"
        ).fetchall()
    except (duckdb.Error, MemoryError) as error:
        raise _explained(path, error) from error
    marks = [MARK] if text.marked else []
    names = [str(key) for (key,) in keys if key not in marks]
    if not names:
        raise InputError(f"{path} has no line with a JSON object in it")
    _check_names(path, names)
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in [*names, *marks])
    taken = ", ".join(identifier(name) for name in [*names, *marks])
    return (
        f"SELECT {taken} FROM read_json([{literal(str(text.file))}], format = 'newline_delimited', "  # noqa: S608 - literals
        f"columns = {{{columns}}}, {options})"
    )


def _check_names(path: Path, names: Sequence[str]) -> None:
    if len(names) > MOST_COLUMNS:
        raise InputError(f"{path} has more than {MOST_COLUMNS:,} columns")
    seen: set[str] = set()
    for name in names:
        if not name.strip() or not name.isprintable() or len(name) > 256:
            raise InputError(
                f"{path} has a column named {one_line(name)!r} (columns: {listed(names)}); name it with letters"
            )
        if name.lower() in seen:
            raise InputError(f"{path} has the column {one_line(name)!r} twice (columns: {listed(names)}); rename one")
        seen.add(name.lower())


def _explained(path: Path, error: BaseException) -> InputError:
    """An error of the reader in one line: where, and the fault."""
    text = str(error)
    whole = isinstance(error, MemoryError | duckdb.OutOfMemoryException | duckdb.IOException)
    kind = InputError if whole else _LineError
    line = re.search(r"(?:CSV Error on Line: |in (?:line|record/value) )(\d+)", text)
    where = f"{path}, line {int(line[1]):,}" if line else str(path)
    counts = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
    if counts:
        return kind(f"{where}: {counts[2]} fields, expected {counts[1]}; correct the line")
    for sign, meaning in _MEANINGS.items():
        if sign in text:
            return kind(f"{where}: {meaning}")
    malformed = re.search(r"Malformed JSON .*?: ([^:\n]*)$", text, re.MULTILINE)
    first = malformed[1] if malformed else text.strip().split("\n", 1)[0]
    return kind(f"{where}: {one_line(first, 200)}")


_MEANINGS = {
    "unterminated quote": OPEN_QUOTE,
    "Invalid unicode": NOT_UTF8,
    "Maximum line size": TOO_LONG,
    "maximum_object_size": TOO_LONG,
    "invalid state": "it mixes line endings, or has text after a closing quote; save it again as CSV",
    "byte order mark": "it begins with a byte order mark; save it as UTF-8 without one",
}
