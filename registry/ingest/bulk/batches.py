"""A list as batches of rows that may be registered, and the rows that may not.

A second thread reads, converts and checks the next batch while the one before is being stored: both
are mostly in code that lets other threads run. A batch is bounded by rows and by bytes, so that a
list with a book in every cell needs no more memory than another.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from registry.ingest.bulk.checks import suspected
from registry.ingest.bulk.matching import identities_of, keys_of
from registry.ingest.bulk.texts import tidied
from registry.ingest.lists.columns import (
    CANONICAL,
    CHECKED_NUMBERS,
    COMPOSED,
    LONGEST_ATTRIBUTES,
    LONGEST_OF,
    MALFORMED,
    trimmed,
)
from registry.ingest.lists.connection import reader, translated_errors
from registry.ingest.lists.source import ListSource

ROWS = 4 * 122_880
"""Rows of a batch: four of the blocks in which DuckDB stores rows, so that it can write them as
they come."""
BYTES = 2**27
"""Bytes after which a batch ends even if it has fewer rows."""
UNOWNED = "no rightsholder is stated"
_FETCHED = 2_048
"""Rows that are fetched together: as many books as that in each column fit into the memory."""


@dataclass(frozen=True)
class Batch:
    """Rows that may be registered, and why others may not."""

    read: int
    """Rows of the list that it stands for."""
    rows: pa.Table
    """Canonical columns of the list, ``identity`` and ``row_number``, in one piece."""
    refused: tuple[tuple[str, int], ...] = field(default=())
    """Reason and row number, in order."""


@contextmanager
def read_ahead(source: ListSource, data_set_id: int, *, allow_unowned: bool) -> Iterator[Iterator[Batch]]:
    """The batches of a list, in its order; ``data_set_id`` is part of what identifies a work that
    only has a path.

    Raises:
        InputError: from the batches: the list cannot be read any further.
    """
    waiting: queue.Queue[Batch | BaseException | None] = queue.Queue(maxsize=1)
    stopped = threading.Event()

    def hand_over(item: Batch | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def read() -> None:
        try:
            for batch in _batches(source, data_set_id, allow_unowned):
                if not hand_over(batch):
                    return
            hand_over(None)
        except BaseException as error:  # raised in the other thread
            hand_over(error)

    thread = threading.Thread(target=read, name="list reader", daemon=True)
    thread.start()
    try:
        yield _taken(waiting)
    finally:
        stopped.set()
        thread.join()


def _taken(waiting: queue.Queue[Batch | BaseException | None]) -> Iterator[Batch]:
    while (item := waiting.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item


def _batches(source: ListSource, data_set_id: int, allow_unowned: bool) -> Iterator[Batch]:
    files = tuple(dict.fromkeys(source.files))
    with reader(files) as connection, translated_errors(source.name), _arrow_errors():
        checker = _Checker(source, connection.cursor(), data_set_id, allow_unowned)
        parts: list[pa.RecordBatch] = []
        rows = size = 0
        for part in connection.execute(_query(source)).to_arrow_reader(_FETCHED):
            parts.append(part)
            rows += part.num_rows
            size += part.get_total_buffer_size()
            if rows >= ROWS or size >= BYTES:
                yield checker.batch(parts)
                parts, rows, size = [], 0, 0
        if parts:
            yield checker.batch(parts)


@contextmanager
def _arrow_errors() -> Iterator[None]:
    """What DuckDB meets while a result is fetched comes through Arrow under Arrow's names."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise duckdb.Error(str(error)) from error


def _query(source: ListSource) -> str:
    """The columns that the list has. One that is refused for its length anyway is cut, so that no
    cell fills the memory.
    """
    taken = [name for name in CANONICAL if name in source.mapping or name in source.defaults or name == "attributes"]
    columns = []
    for name in taken:
        longest = LONGEST_ATTRIBUTES if name == "attributes" else LONGEST_OF.get(name)
        if longest is None:
            columns.append(name)
            continue
        # What counts is the length of what would be kept; only long texts are looked at so closely.
        text = trimmed(name) if name in source.untidied else name
        text = f"nfc_normalize({text})" if name in COMPOSED else text
        cut = f"CASE WHEN strlen({text}) > {longest} THEN repeat('x', {longest + 1}) ELSE {text} END"
        cut = f"CASE WHEN strlen({name}) > {longest} THEN {cut} ELSE {name} END"
        columns.append(f"{cut} AS {name}")
    columns += [f"{name}_problem" for name in CHECKED_NUMBERS if name in source.mapping]
    columns += ["outcome"] if source.outcome is not None else []
    columns += [MALFORMED] if source.has_malformed_lines else []
    columns.append("row_number")
    return f"SELECT {', '.join(columns)} FROM ({source.select()})"  # noqa: S608 - made by the source


class _Checker:
    """Tells rows that may be registered from others."""

    def __init__(
        self, source: ListSource, connection: duckdb.DuckDBPyConnection, data_set_id: int, allow_unowned: bool
    ) -> None:
        self.source = source
        self.data_set_id = data_set_id
        self.connection = connection
        self.allow_unowned = allow_unowned
        self.further = {*(f"{name}_problem" for name in CHECKED_NUMBERS), "outcome", MALFORMED}

    def batch(self, parts: list[pa.RecordBatch]) -> Batch:
        (whole,) = pa.Table.from_batches(parts).combine_chunks().to_batches(max_chunksize=None)
        parts.clear()
        whole = tidied(whole, self.source.untidied)
        refused = self._reasons(whole)
        rows = pa.Table.from_batches([whole])
        rows = rows.select([name for name in rows.column_names if name not in self.further])
        if refused:
            numbers = np.array([number for _, number in refused], np.int64)
            rows = rows.filter(pa.array(~np.isin(_numbers(whole), numbers))).combine_chunks()
        keys = keys_of(rows, self.data_set_id)
        rows = rows.append_column("identity", pa.array(identities_of(self.connection, keys)))
        return Batch(whole.num_rows, rows, tuple(refused))

    def _reasons(self, whole: pa.RecordBatch) -> list[tuple[str, int]]:
        rows = suspected(self.source, whole)
        owned = np.ones(whole.num_rows, bool)
        if not self.allow_unowned:
            names = whole.schema.names
            owned = (
                np.asarray(whole.column("rightsholder").is_valid().to_numpy(zero_copy_only=False))
                if "rightsholder" in names
                else ~owned
            )
        refused: dict[int, str] = dict.fromkeys(_numbers(whole)[~owned].tolist(), UNOWNED)
        if rows.any():
            self.connection.register("suspected_rows", pa.Table.from_batches([whole]).filter(pa.array(rows)))
            found = self.connection.execute(
                f"SELECT row_number, reason FROM ({self.source.reasons('suspected_rows')}) WHERE reason IS NOT NULL"  # noqa: S608
            ).fetchall()
            self.connection.unregister("suspected_rows")
            refused.update({int(number): str(reason) for number, reason in found})
        return [(reason, number) for number, reason in sorted(refused.items())]


def _numbers(whole: pa.RecordBatch) -> NDArray[np.int64]:
    return np.asarray(whole.column("row_number").to_numpy())
