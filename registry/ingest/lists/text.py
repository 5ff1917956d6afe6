"""CSV and JSON lines into Parquet, every column as text, in bounded memory.

A list is converted once and then read many times, by columns and ranges of rows. Types are checked later, row by row;
here only what makes the file unreadable as a whole is an error, and it names the line.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import duckdb

from registry.errors import InputError
from registry.ingest.lists.connection import identifier, listed, literal, one_line, reader

LARGEST_TEXT = 2**40
LONGEST_LINE = 2**21
MOST_COLUMNS = 1_000
DEEPEST = 200
_GZIP = b"\x1f\x8b"
_PARQUET = "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)"


def convert(path: Path, kind: str, target: Path) -> None:
    """Write the ``csv`` or ``json`` lines of ``path`` to the Parquet file ``target``, whose folder also takes what spills.

    Raises:
        InputError: it is not what it claims to be; the message names the line.
    """
    packed = _check_packed(path)
    with reader([path], target.parent) as connection:
        query = _csv_query(path, packed) if kind == "csv" else _json_query(connection, path, packed)
        try:
            connection.execute(f"COPY ({query}) TO {literal(str(target))} {_PARQUET}")
        except (duckdb.Error, MemoryError) as error:
            raise _explained(path, error) from error


def _check_packed(path: Path) -> bool:
    """Whether it is gzip. If so it is unpacked once to nowhere: a file that was cut off may end between two lines."""
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


def _csv_query(path: Path, packed: bool) -> str:
    header, delimiter = _header(path, packed)
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in header)
    return (
        f"SELECT * FROM read_csv([{literal(str(path))}], auto_detect = false, header = true, columns = {{{columns}}}, "  # noqa: S608 - literals
        f"delim = {literal(delimiter)}, quote = '\"', escape = '\"', strict_mode = true, null_padding = false, "
        f"max_line_size = {LONGEST_LINE}, compression = '{'gzip' if packed else 'none'}', hive_partitioning = false)"
    )


def _header(path: Path, packed: bool) -> tuple[Sequence[str], str]:
    """Column names, and the delimiter: whichever of comma, semicolon and tab the first line has most of."""
    try:
        with _opened(path, packed) as file:
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


def _opened(path: Path, packed: bool) -> gzip.GzipFile | io.BufferedReader:
    return gzip.open(path) if packed else path.open("rb")


def _check_lines(path: Path, packed: bool) -> None:
    """Hold that no line is endless or nested without bounds, on which DuckDB's JSON reader overruns its stack."""
    number = 0
    try:
        with _opened(path, packed) as file:
            while line := file.readline(LONGEST_LINE + 1):
                number += 1
                if len(line) > LONGEST_LINE:
                    raise InputError(f"{path}, line {number:,}: a line of more than {LONGEST_LINE:,} bytes")
                if line.count(b"{") + line.count(b"[") > DEEPEST and _depth(line) > DEEPEST:
                    raise InputError(f"{path}, line {number:,}: JSON nested more than {DEEPEST} deep")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _depth(line: bytes) -> int:
    """How deep a line nests; brackets in text do not count."""
    depth = deepest = 0
    for bracket in re.findall(rb"[\[\]{}]", re.sub(rb'"(?:[^"\\]|\\.)*"', b"", line)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _json_query(connection: duckdb.DuckDBPyConnection, path: Path, packed: bool) -> str:
    _check_lines(path, packed)
    options = (
        f"maximum_object_size = {LONGEST_LINE}, hive_partitioning = false, "
        f"compression = '{'gzip' if packed else 'uncompressed'}'"
    )
    lines = f"read_ndjson_objects([{literal(str(path))}], {options})"
    try:
        stray = connection.execute(
            f"SELECT json_type(json) FROM {lines} WHERE json_type(json) <> 'OBJECT' LIMIT 1"  # noqa: S608 - literals
        ).fetchone()
        if stray is not None:
            raise InputError(f"{path} has a line that is a JSON {str(stray[0]).lower()}, expected objects")
        keys = connection.execute(
            f"SELECT key FROM (SELECT unnest(json_keys(json)) AS key FROM {lines}) GROUP BY key "  # noqa: S608 - literals
            f"ORDER BY key LIMIT {MOST_COLUMNS + 1}"
        ).fetchall()
    except (duckdb.Error, MemoryError) as error:
        raise _explained(path, error) from error
    names = [str(key) for (key,) in keys]
    if not names:
        raise InputError(f"{path} has no line with a JSON object in it")
    _check_names(path, names)
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    taken = ", ".join(identifier(name) for name in names)
    return (
        f"SELECT {taken} FROM read_json([{literal(str(path))}], format = 'newline_delimited', "  # noqa: S608 - literals
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
    """What the reader found, in one line: where, and which of the ways in which such files are wrong it is."""
    text = str(error)
    line = re.search(r"(?:CSV Error on Line: |in (?:line|record/value) )(\d+)", text)
    where = f"{path}, line {int(line[1]):,}" if line else str(path)
    counts = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
    if counts:
        return InputError(f"{where}: {counts[2]} fields, expected {counts[1]}; correct the line")
    for sign, meaning in _MEANINGS.items():
        if sign in text:
            return InputError(f"{where}: {meaning}")
    malformed = re.search(r"Malformed JSON .*?: ([^:\n]*)$", text, re.MULTILINE)
    first = malformed[1] if malformed else text.strip().split("\n", 1)[0]
    return InputError(f"{where}: {one_line(first, 200)}")


_MEANINGS = {
    "unterminated quote": "a quote is not closed, or text follows one; double quotes that are meant",
    "Invalid unicode": "bytes that are not UTF-8; save the list as UTF-8",
    "Maximum line size": f"a line of more than {LONGEST_LINE:,} bytes",
    "maximum_object_size": f"a line of more than {LONGEST_LINE:,} bytes",
    "invalid state": "it mixes line endings, or has text after a closing quote; save it again as CSV",
    "byte order mark": "it begins with a byte order mark; save it as UTF-8 without one",
}
