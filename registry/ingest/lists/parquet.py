"""Opening Parquet from outside: its footer is bounded and checked before any row is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import duckdb

from registry.errors import InputError
from registry.ingest.lists.connection import literal, one_line, translated_errors
from registry.ingest.lists.source import ListFile

LARGEST_FOOTER = 2**26
MOST_COLUMNS = 10_000
MOST_ROWS = 2**33
MOST_FILES = 100_000


def parquet_files(path: Path) -> tuple[Path, ...]:
    """The ``.parquet`` files of a folder, by name; not those of folders inside it.

    Raises:
        InputError: there are none, or too many.
    """
    try:
        files = sorted(entry for entry in path.iterdir() if entry.suffix.lower() == ".parquet" and entry.is_file())
    except OSError as error:
        raise InputError(f"cannot read the folder {path}: {error.strerror}") from error
    if not files:
        raise InputError(f"{path} holds no .parquet file; give a folder of them, or one list of works")
    if len(files) > MOST_FILES:
        raise InputError(f"{path} holds {len(files):,} Parquet files, at most {MOST_FILES:,} are read; join some")
    return tuple(files)


def describe(connection: duckdb.DuckDBPyConnection, files: Iterable[Path]) -> tuple[ListFile, ...]:
    """Rows and columns of each file, from its footer.

    Raises:
        InputError: one is not Parquet, is encrypted or damaged, or states more than can be.
    """
    parts, total = [], 0
    for file in files:
        rows = _rows(file)
        total += rows
        if total > MOST_ROWS:
            raise InputError(f"{file} states {rows:,} rows, more than a list may have ({MOST_ROWS:,} in all)")
        parts.append(ListFile(file, rows, _types(connection, file)))
    return tuple(parts)


def _rows(file: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    _check_footer(file)
    try:
        # The limits keep a small footer that claims a billion entries from being believed.
        with pq.ParquetFile(
            str(file), thrift_string_size_limit=LARGEST_FOOTER, thrift_container_size_limit=1_000_000
        ) as opened:
            metadata = opened.metadata
            groups = sum(metadata.row_group(number).num_rows for number in range(metadata.num_row_groups))
            if metadata.num_columns > MOST_COLUMNS:
                raise InputError(f"{file} has {metadata.num_columns:,} columns, at most {MOST_COLUMNS:,} are read")
            if groups != metadata.num_rows or metadata.num_rows < 0:
                raise InputError(f"{file} states {metadata.num_rows:,} rows, but its parts {groups:,}: it is damaged")
            _check_names(file, opened.schema_arrow.names)
            return int(metadata.num_rows)
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{file} is not a Parquet file that can be read: {one_line(first, 240)}") from error


def _check_names(file: Path, names: Sequence[str]) -> None:
    """DuckDB would quietly rename the second of two columns of one name, in either case."""
    counts = Counter(name.lower() for name in names)
    repeated = next((name for name in names if counts[name.lower()] > 1), None)
    if repeated is not None:
        raise InputError(f"{file} has the column {one_line(repeated)!r} twice (in either case); rename one")


def _check_footer(file: Path) -> None:
    try:
        with file.open("rb") as opened:
            size = opened.seek(0, 2)
            if size == 0:
                raise InputError(f"{file} is an empty file (0 bytes), expected Parquet; write or download it again")
            if size < 12:
                raise InputError(
                    f"{file} has {size} bytes, too few for a Parquet file; write or download it again, or name it after "
                    "what it is (.csv, .jsonl)"
                )
            opened.seek(size - 8)
            tail = opened.read(8)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {file}: {getattr(error, 'strerror', None) or error}") from error
    if tail[4:] == b"PARE":
        raise InputError(f"{file} is encrypted; decrypt it first")
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != b"PAR1" or length + 12 > size:
        raise InputError(f"{file} is not a Parquet file, or was cut off: it does not end as one does")
    if length > LARGEST_FOOTER:
        raise InputError(f"{file} has a footer of {length:,} bytes, at most {LARGEST_FOOTER:,} are read")


def _types(connection: duckdb.DuckDBPyConnection, file: Path) -> Mapping[str, str]:
    with translated_errors(str(file)):
        rows = connection.execute(
            f"DESCRIBE SELECT * FROM read_parquet([{literal(str(file))}], hive_partitioning = false)"  # noqa: S608 - a literal
        ).fetchall()
    return MappingProxyType({str(name): str(kind) for name, kind, *_ in rows})
