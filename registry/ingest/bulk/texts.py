"""Texts of a batch as the registry stores them: trimmed, null if empty, in one spelling.

Nearly every cell is in order already, as its first and last byte show; as SQL these rules took as
long as reading the file.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from registry.ingest.lists.columns import COMPOSED, UNKNOWN_LICENCE
from registry.text import BLANKS

_LAST_OF_ASCII = 0x7F


def tidied(batch: pa.RecordBatch, untidied: Collection[str]) -> pa.RecordBatch:
    """The batch with its texts in order; ``untidied``: columns that are not trimmed yet."""
    for place, field in enumerate(batch.schema):
        if field.name not in untidied and field.name not in COMPOSED:
            continue
        column = batch.column(place)
        if field.name in untidied:
            column = _trimmed(column)
        if field.name in COMPOSED and _highest_byte(column) > _LAST_OF_ASCII:
            column = pc.utf8_normalize(column, form="NFC")
        if field.name in untidied:
            column = _respelled(column, field.name)
        if column is not batch.column(place):
            batch = batch.set_column(place, field, column)
    return batch


def _trimmed(column: pa.Array) -> pa.Array:
    offsets, data = bytes_of(column)
    if len(data):
        # For an empty cell these are its neighbours' bytes; it is left out below.
        first, last = data[np.minimum(offsets[:-1], len(data) - 1)], data[np.maximum(offsets[1:] - 1, 0)]
        spaced = (_may_be_blank(first) | _may_be_blank(last)) & (np.diff(offsets) > 0)
        if spaced.any():
            column = pc.if_else(pa.array(spaced), pc.utf8_trim(column, characters=BLANKS), column)
    empty = (lengths_of(column) == 0) & valid(column)
    return pc.if_else(pa.array(empty), pa.scalar(None, column.type), column) if empty.any() else column


def _may_be_blank(ends: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Bytes of a blank or of any character beyond ASCII."""
    return np.asarray((ends <= ord(" ")) | (ends >= _LAST_OF_ASCII))


def _respelled(column: pa.Array, name: str) -> pa.Array:
    if name == "sha256":
        _, data = bytes_of(column)
        upper = len(data) and ((data - np.uint8(ord("A")) < 26) | (data > _LAST_OF_ASCII)).any()
        return pc.utf8_lower(column) if upper else column
    if name == "licence":
        unknown = pc.equal(column, UNKNOWN_LICENCE)
        if pc.any(unknown).as_py():
            return pc.if_else(unknown, pa.scalar(None, column.type), column)
    return column


def _highest_byte(column: pa.Array) -> int:
    _, data = bytes_of(column)
    return int(data.max()) if len(data) else 0


def bytes_of(column: pa.Array) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """A column's texts as numpy views: where each begins and the last ends, and all their bytes."""
    _, offset_buffer, data_buffer = column.buffers()
    offsets = np.frombuffer(offset_buffer, "<i4")[column.offset : column.offset + len(column) + 1]
    return offsets - offsets[0], np.frombuffer(data_buffer or b"", np.uint8)[offsets[0] : offsets[-1]]


def lengths_of(column: pa.Array) -> NDArray[np.int32]:
    """Bytes of each text; undefined for a null."""
    return np.diff(bytes_of(column)[0])


def valid(column: pa.Array) -> NDArray[np.bool_]:
    """Mask of cells that are not null."""
    if not column.null_count:
        return np.ones(len(column), bool)
    return np.asarray(column.is_valid().to_numpy(zero_copy_only=False))
