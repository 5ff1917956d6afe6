"""Writing lists as others write them, and reading relations back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from registry.ingest.lists import ListSource


def write_parquet(path: Path, columns: Mapping[str, object], **options: object) -> Path:
    """A Parquet file of these columns (lists or Arrow arrays)."""
    pq.write_table(pa.table(dict(columns)), path, **options)
    return path


def rows(source: ListSource, first: int = 0, count: int | None = None, where: str = "true") -> list[dict[str, Any]]:
    """The relation's rows, in order."""
    query = f"SELECT * FROM ({source.relation(first, source.rows if count is None else count)}) WHERE {where}"  # noqa: S608
    with duckdb.connect(":memory:") as connection:
        result = connection.execute(query + " ORDER BY row_number")
        names = [name for name, *_ in result.description or ()]
        return [dict(zip(names, values, strict=True)) for values in result.fetchall()]


def reasons(source: ListSource) -> Sequence[str | None]:
    """Why each row is refused, in order."""
    return [row["reason"] for row in rows(source)]
