"""Rows of a batch that might have to be refused, from the bytes of its columns.

The rules are those of :mod:`registry.ingest.lists.columns`, but as SQL they would cost more than
the rest of a registration. Nearly every row is sound, and a column's smallest byte or longest text
shows it. The rules then decide about the suspected rows, which include all that they refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from registry.ingest.bulk.texts import bytes_of, lengths_of, valid
from registry.ingest.lists.columns import CHECKED_NUMBERS, IDENTITY, LONGEST_ATTRIBUTES, LONGEST_OF, MALFORMED
from registry.ingest.lists.source import ListSource

Rows = NDArray[np.bool_]
_ADDRESS = "^(?i:https?|ftp|s3|gs)://[^/]"


def suspected(source: ListSource, batch: pa.RecordBatch) -> Rows:
    """One truth value for each row of :meth:`ListSource.select`."""
    columns: Mapping[str, pa.Array] = dict(zip(batch.schema.names, batch.columns, strict=True))
    found = np.zeros(batch.num_rows, bool)
    for name in CHECKED_NUMBERS:
        problem = columns.get(f"{name}_problem")
        if problem is not None:
            found |= valid(problem)
    if source.outcome is not None:
        found |= ~_truth(pc.equal(columns["outcome"], "success"))
    if source.has_malformed_lines:
        found |= valid(columns[MALFORMED])
    stated = np.zeros(batch.num_rows, bool)
    for name in IDENTITY:
        if name in columns:
            stated |= valid(columns[name])
    found |= ~stated
    for name in LONGEST_OF:
        if name in source.mapping:
            _suspect_text(name, columns[name], found)
    found |= lengths_of(columns["attributes"]) > LONGEST_ATTRIBUTES
    return found


def _suspect_text(name: str, column: pa.Array, found: Rows) -> None:
    if column.null_count == len(column):
        return
    lengths = lengths_of(column)
    if name == "sha256":
        found |= (lengths != 64) & valid(column)
        found |= rows_with(column, _not_hexadecimal)
        return
    found |= lengths > LONGEST_OF[name]
    found |= rows_with(column, _control_character)
    if name in ("url", "source_url"):
        found |= ~_addresses(column) & valid(column)
    if name == "path":
        for suspicious in (
            pc.starts_with(column, "/"),
            pc.match_substring(column, ".."),
            pc.match_substring(column, ":/"),
        ):
            found |= _truth(suspicious)


def _addresses(column: pa.Array) -> Rows:
    """Rows with a suspect address. Most begin with https://, which is cheaper than a pattern."""
    common = (
        _truth(pc.starts_with(column, "https://"))
        & ~_truth(pc.starts_with(column, "https:///"))
        & (lengths_of(column) > 8)
    )
    others = np.flatnonzero(~common & valid(column))
    common[others] = _truth(pc.match_substring_regex(column.take(pa.array(others)), _ADDRESS))
    return common


def _not_hexadecimal(characters: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """Mask of characters other than lower-case hexadecimal digits; None if there are none."""
    other = (characters - np.uint8(ord("0")) > 9) & (
        characters - np.uint8(ord("a")) > 5
    )  # below zero it wraps to large
    return other if other.any() else None


def _control_character(data: NDArray[np.uint8]) -> Rows | None:
    """Mask of control characters; None if there are none."""
    if data.min() >= 0x20 and not (data.max() >= 0x7F and (data == 0x7F).any()):
        return None
    return np.asarray((data < 0x20) | (data == 0x7F))


def rows_with(column: pa.Array, find: Callable[[NDArray[np.uint8]], Rows | None]) -> Rows:
    """Rows whose text has a byte that ``find`` marks."""
    rows = np.zeros(len(column), bool)
    offsets, data = bytes_of(column)
    marked = find(data) if len(data) else None
    if marked is not None:
        rows[np.searchsorted(offsets, np.flatnonzero(marked), side="right") - 1] = True
    return rows


def _truth(column: pa.Array) -> Rows:
    return np.asarray(pc.fill_null(column, False).to_numpy(zero_copy_only=False))
