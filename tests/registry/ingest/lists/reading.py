"""Writing lists as others write them, and reading their rows back as registration does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from registry.ingest.bulk.texts import tidied
from registry.ingest.lists import ListSource, translated_errors
from registry.ingest.lists.connection import reader


def write_parquet(path: Path, columns: Mapping[str, object], **options: object) -> Path:
    """A Parquet file of these columns (lists or Arrow arrays)."""
    pq.write_table(pa.table(dict(columns)), path, **options)
    return path


def rows(source: ListSource) -> list[dict[str, Any]]:
    """The list's rows in order, each with the reason why it is refused, or None."""
    with reader(source.files) as connection, translated_errors(source.name):
        read = connection.execute(source.select()).to_arrow_table().combine_chunks()
        (batch,) = read.to_batches() or [pa.RecordBatch.from_pylist([], schema=read.schema)]
        table = pa.Table.from_batches([tidied(batch, source.untidied)])
        connection.register("read", table)
        found = dict(connection.execute(source.reasons("read")).fetchall())
    return [{**row, "reason": found[row["row_number"]]} for row in table.to_pylist()]


def reasons(source: ListSource) -> Sequence[str | None]:
    """Why each row is refused, in order."""
    return [row["reason"] for row in rows(source)]
