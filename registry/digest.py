"""One hash over many rows, fast enough for all works: the same rows give the same hash on any machine and version.

Rows come from DuckDB as Arrow columns and are hashed column by column in blocks of a fixed number of rows, so the cost is
that of SHA-256 over the bytes, not of a Python object per value. What is hashed is the values alone: never Arrow's own
layout, which differs between versions (padding, offsets, dictionary or view encodings).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from registry.errors import RegistryError

BLOCK = 65_536
"""Rows that are hashed together."""


@dataclass(frozen=True)
class Digest:
    """A number of rows and a hash over them, in their order."""

    rows: int
    sha256: str


def digest_of(result: duckdb.DuckDBPyConnection) -> Digest:
    """The digest of a query's rows; the query decides their order.

    Raises:
        RegistryError: a column has a type that no table of the registry has.
    """
    digest = hashlib.sha256()
    rows = 0
    for block in _blocks(result.to_arrow_reader(BLOCK)):
        rows += block.num_rows
        for name, column in zip(block.column_names, block.columns, strict=True):
            digest.update(f"{name}\0{block.num_rows}\0".encode())
            for part in _parts(name, column.combine_chunks()):
                digest.update(part)
    return Digest(rows, digest.hexdigest())


def _blocks(reader: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """Tables of exactly :data:`BLOCK` rows, the last one smaller: DuckDB's own batches depend on how it stores them."""
    waiting: list[pa.RecordBatch] = []
    held = 0
    for batch in reader:
        waiting.append(batch)
        held += batch.num_rows
        if held >= BLOCK:
            table = pa.Table.from_batches(waiting)
            whole = held - held % BLOCK
            for start in range(0, whole, BLOCK):
                yield table.slice(start, BLOCK)
            rest = table.slice(whole)
            waiting, held = list(rest.to_batches()), rest.num_rows
    if held:
        yield pa.Table.from_batches(waiting)


def _parts(name: str, column: pa.Array | pa.ChunkedArray) -> Iterator[bytes | memoryview]:
    """The values of a column as bytes: which are null, then fixed-width values, or lengths and contents."""
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks)
    if column.null_count:
        yield np.packbits(column.is_null().to_numpy(zero_copy_only=False)).tobytes()
        if column.null_count == len(column):
            return
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_string(kind):
        texts = pc.fill_null(column.cast(pa.large_binary()), b"")
        lengths = pc.binary_length(texts).to_numpy(zero_copy_only=False)
        yield lengths.astype("<i8").data
        offsets = np.frombuffer(texts.buffers()[1], "<i8")[texts.offset : texts.offset + len(texts) + 1]
        contents = texts.buffers()[2]
        if contents is not None and offsets[-1] > offsets[0]:
            yield memoryview(contents)[int(offsets[0]) : int(offsets[-1])]
        return
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("us")).view(pa.int64()) if kind.tz is None else column.view(pa.int64())
    elif pa.types.is_boolean(kind) or pa.types.is_signed_integer(kind):
        column = column.cast(pa.int64())
    elif pa.types.is_unsigned_integer(kind):
        column = column.cast(pa.uint64())
    elif not pa.types.is_float64(kind):
        raise RegistryError(f"the column {name!r} has the type {kind}, which cannot be sealed: restore the registry")
    yield np.ascontiguousarray(pc.fill_null(column, 0).to_numpy(zero_copy_only=False)).data
