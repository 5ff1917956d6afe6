"""Opening a list of works in any supported format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import duckdb

from registry.errors import InputError
from registry.ingest.lists.columns import check_type
from registry.ingest.lists.connection import identifier, literal, one_line, reader, translated_errors
from registry.ingest.lists.croissant import Described, read_croissant
from registry.ingest.lists.malformed_rows import MARK
from registry.ingest.lists.parquet import describe, parquet_files
from registry.ingest.lists.presets import ColumnRequest, Layout, check_request, lay_out
from registry.ingest.lists.source import ListFile, ListSource, fingerprint
from registry.ingest.lists.text import convert

_KINDS = {".parquet": "parquet", ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".jsonl": "json", ".ndjson": "json"}
_EMPTY: Mapping[str, str] = MappingProxyType({})


def open_list(
    path: Path,
    *,
    preset: str | None = None,
    mapping: Mapping[str, str] = _EMPTY,
    constants: Mapping[str, str] = _EMPTY,
    attributes: Sequence[str] = (),
    staging: Path,
) -> ListSource:
    """Open Parquet (a file or a folder), CSV, JSON lines or Croissant (``.json``, ``.jsonld``).

    CSV and JSON lines may be ``.gz``. ``mapping`` (canonical column to source column) and
    ``constants`` (canonical column to value) override the preset, column by column. ``attributes``
    are further source columns to keep. Converted files go to ``staging``, which the caller removes.

    Raises:
        InputError: the list cannot be read as a whole, or lacks a requested column.
    """
    request = ColumnRequest(preset, mapping, constants, attributes)
    check_request(request)
    path, staging = path.absolute(), staging.absolute()
    described: Described | None = None
    if path.is_dir():
        origins: tuple[Path, ...] = parquet_files(path)
    elif _suffix(path) in (".json", ".jsonld"):
        described = read_croissant(path)
        origins = described.files
        request = ColumnRequest(preset or "croissant", mapping, constants, attributes, described.columns)
    else:
        origins = (path,)
    before = tuple(fingerprint(origin) for origin in origins)
    converted = [_as_parquet(origin, number, staging) for number, origin in enumerate(origins)]
    files = tuple(file for file, _ in converted)
    with reader(files) as connection:
        parts = tuple(
            part if lines is None else part.with_malformed_lines(MARK, lines)
            for part, (_, lines) in zip(describe(connection, files), converted, strict=True)
        )
        columns = tuple(dict.fromkeys(column for part in parts for column in part.types))
        layout = lay_out(path.name, columns, request)
        _check_parts(parts, origins, layout)
        for part in {tuple(part.types.items()): part for part in parts}.values():
            _try_one_row(connection, part, layout)
    return ListSource(
        name=path.name,
        files=files,
        preset=layout.preset,
        mapping=layout.mapping,
        not_taken=layout.not_taken,
        rows=sum(part.rows for part in parts),
        fingerprint=before,
        attributes=layout.attributes,
        defaults=described.defaults if described else _EMPTY,
        attribute_constants=described.attributes if described else _EMPTY,
        outcome=layout.outcome,
        signals=described.signals if described else (),
        origins=origins,
        parts=parts,
    )


def _suffix(path: Path) -> str:
    name = path.name.lower()
    return Path(name.removesuffix(".gz")).suffix


def _as_parquet(origin: Path, number: int, staging: Path) -> tuple[Path, Mapping[int, int] | None]:
    """The file as Parquet, and the result of :func:`convert`."""
    kind = "parquet" if _starts_as_parquet(origin) else _KINDS.get(_suffix(origin))
    if kind is None:
        raise InputError(
            f"{origin} is not a list that can be read: expected .parquet, .csv, .tsv, .jsonl or .ndjson (the last four also "
            ".gz), a folder of .parquet files, or Croissant as .json"
        )
    if kind == "parquet":
        return origin, None
    target = staging / f"list-{number:06}.parquet"
    return target, convert(origin, kind, target)


def _starts_as_parquet(origin: Path) -> bool:
    try:
        with origin.open("rb") as file:
            return file.read(4) in (b"PAR1", b"PARE")
    except OSError as error:
        raise InputError(f"cannot read {origin}: {error.strerror}") from error


def _check_parts(parts: tuple[ListFile, ...], origins: tuple[Path, ...], layout: Layout) -> None:
    needed = [(canonical, column) for canonical, column in layout.mapping.items() if isinstance(column, str)]
    needed += [("attributes", column) for column in layout.attributes]
    needed += [("status", layout.outcome)] if layout.outcome else []
    for part, origin in zip(parts, origins, strict=True):
        for canonical, column in needed:
            if column not in part.types:
                raise InputError(f"{origin} has no column {one_line(column)!r}, which the other files of the list have")
            check_type(str(origin), column, part.types[column], canonical)


def _try_one_row(connection: duckdb.DuckDBPyConnection, part: ListFile, layout: Layout) -> None:
    """Read one row of the mapped columns: the footer hides an encrypted or damaged column."""
    columns = [column for column in layout.mapping.values() if isinstance(column, str)]
    taken = ", ".join(identifier(column) for column in dict.fromkeys([*columns, *layout.attributes]))
    with translated_errors(str(part.path)):
        connection.execute(
            f"SELECT {taken} FROM read_parquet([{literal(str(part.path))}], hive_partitioning = false) LIMIT 1"  # noqa: S608 - quoted
        ).fetchall()
