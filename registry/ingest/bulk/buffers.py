"""A column's texts as bytes: numpy views of what Arrow holds."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def bytes_of(column: pa.Array) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Where each text begins and the last one ends, and all texts end to end."""
    _, offset_buffer, data_buffer = column.buffers()
    offsets = np.frombuffer(offset_buffer, "<i4")[column.offset : column.offset + len(column) + 1]
    return offsets - offsets[0], np.frombuffer(data_buffer or b"", np.uint8)[offsets[0] : offsets[-1]]


def lengths_of(column: pa.Array) -> NDArray[np.int32]:
    """Bytes of each text; of a null, nothing that means anything."""
    return np.diff(bytes_of(column)[0])


def valid(column: pa.Array) -> NDArray[np.bool_]:
    """Where there is something, be it an empty text."""
    if not column.null_count:
        return np.ones(len(column), bool)
    return np.asarray(column.is_valid().to_numpy(zero_copy_only=False))
