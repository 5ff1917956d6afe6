"""A list as batches: rows that may be registered, and refused rows.

A second thread reads, converts and checks the next batch while the last one is stored. A batch is
bounded by rows and by bytes, so that long texts do not need more memory.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from registry.captions.sources import Source
from registry.captions.texts import LONGEST_READ
from registry.ingest.bulk.captions import ordered
from registry.ingest.bulk.checks import suspected
from registry.ingest.bulk.texts import tidied
from registry.ingest.lists.columns import (
    CANONICAL,
    CHECKED_NUMBERS,
    COMPOSED,
    LONGEST_ATTRIBUTES,
    LONGEST_OF,
    MALFORMED,
    TEMPLATED,
    trimmed,
)
from registry.ingest.lists.connection import reader, translated_errors
from registry.ingest.lists.source import ListSource
from registry.ingest.store.matching import identities_of, keys_of
from registry.rightsholders.no_names import names_nobody
from registry.storage.row_groups import ROW_GROUP

ROWS = 4 * ROW_GROUP
"""Rows of a batch."""
BYTES = 2**27
"""Bytes after which a batch ends with fewer rows."""
UNOWNED = "no rightsholder is stated"
_MOST_WORDS = 100
"""Words for nobody that a batch names; further ones count as empty cells without their words."""
_FETCHED = 2_048
"""Rows that are fetched together: with the longest texts in all columns they fit into memory."""


@dataclass(frozen=True)
class Batch:
    """Rows that may be registered, and reasons for the others."""

    read: int
    """Rows of the list that were read for it."""
    rows: pa.Table
    """Canonical columns of the list, ``identity``, ``row_number`` and, with captions,
    ``caption_source``; in one piece."""
    refused: tuple[tuple[str, int], ...] = field(default=())
    """Reason and row number, in order."""
    nobody: tuple[tuple[str, int], ...] = field(default=())
    """Words that name nobody in place of a rightsholder, and the first row number of each; only
    those whose rows may be registered."""
    captions: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Notes about captions, and the numbers of the rows that each is about."""


def read_ahead(source: ListSource, data_set_id: int, *, allow_unowned: bool) -> Generator[Batch, None, None]:
    """The batches of a list, in its order; ``data_set_id`` identifies works that only have a path.

    Raises:
        InputError: the list cannot be read further.
    """
    batches = _batches(source, data_set_id, allow_unowned)
    with closing(batches), ThreadPoolExecutor(1, "list reader") as reading:
        following = reading.submit(next, batches, None)
        while (batch := following.result()) is not None:
            following = reading.submit(next, batches, None)
            yield batch


def _batches(source: ListSource, data_set_id: int, allow_unowned: bool) -> Generator[Batch, None, None]:
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
    """Turn Arrow's errors, raised while a result is fetched, back into DuckDB's."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise duckdb.Error(str(error)) from error


def _query(source: ListSource) -> str:
    """The columns that the list has. Texts too long to be taken are cut, to bound the memory."""
    taken = [name for name in CANONICAL if source.states(name) or name == "attributes"]
    columns = []
    for name in taken:
        if name == "caption":
            columns.append(
                f"CASE WHEN strlen({name}) > {LONGEST_READ} THEN left({name}, {LONGEST_READ + 1}) ELSE {name} END AS {name}"
            )
            continue
        longest = LONGEST_ATTRIBUTES if name == "attributes" else LONGEST_OF.get(name)
        if longest is None:
            columns.append(name)
            continue
        # The length after trimming and composing decides; computing it for long texts is enough.
        text = trimmed(name) if name in source.untidied else name
        text = f"nfc_normalize({text})" if name in COMPOSED else text
        cut = f"CASE WHEN strlen({text}) > {longest} THEN repeat('x', {longest + 1}) ELSE {text} END"
        cut = f"CASE WHEN strlen({name}) > {longest} THEN {cut} ELSE {name} END"
        columns.append(f"{cut} AS {name}")
    columns += [f"{name}_problem" for name in CHECKED_NUMBERS if name in source.mapping]
    columns += [TEMPLATED] if source.made is not None else []
    columns += ["outcome"] if source.outcome is not None else []
    columns += [MALFORMED] if source.has_malformed_lines else []
    columns.append("row_number")
    return f"SELECT {', '.join(columns)} FROM ({source.select()})"  # noqa: S608 - made by the source


class _Checker:
    """Separates refused rows from the others."""

    def __init__(
        self, source: ListSource, connection: duckdb.DuckDBPyConnection, data_set_id: int, allow_unowned: bool
    ) -> None:
        self.source = source
        self.data_set_id = data_set_id
        self.connection = connection
        self.allow_unowned = allow_unowned
        self.further = {*(f"{name}_problem" for name in CHECKED_NUMBERS), "outcome", MALFORMED, TEMPLATED}

    def batch(self, parts: list[pa.RecordBatch]) -> Batch:
        (whole,) = pa.Table.from_batches(parts).combine_chunks().to_batches(max_chunksize=None)
        parts.clear()
        whole = tidied(whole, self.source.untidied)
        whole, captions = self._with_captions(whole)
        whole, nobody = self._without_nobody(whole)
        refused = self._reasons(whole, nobody)
        rows = pa.Table.from_batches([whole])
        rows = rows.select([name for name in rows.column_names if name not in self.further])
        if refused:
            numbers = np.array([number for _, number in refused], np.int64)
            rows = rows.filter(pa.array(~np.isin(_numbers(whole), numbers))).combine_chunks()
        keys = keys_of(rows, self.data_set_id)
        rows = rows.append_column("identity", pa.array(identities_of(self.connection, keys)))
        left_out = {number for _, number in refused}
        kept = ((word, numbers) for word, numbers in nobody.items() if numbers[0] not in left_out)
        named = tuple((word, numbers[0]) for word, numbers in kept)
        return Batch(whole.num_rows, rows, tuple(refused), named, captions)

    def _with_captions(self, whole: pa.RecordBatch) -> tuple[pa.RecordBatch, dict[str, list[int]]]:
        """The batch with its captions in order and their sources, and notes about them."""
        place = whole.schema.get_field_index("caption")
        if place < 0:
            return whole, {}
        column, found = ordered(whole.column(place))
        whole = whole.set_column(place, whole.schema.field(place), column)
        numbers = _numbers(whole)
        notes: dict[str, list[int]] = {}
        for row, note in found:
            notes.setdefault(note, []).append(int(numbers[row]))
        sources = pa.repeat(str(Source.COLUMN), whole.num_rows)
        if self.source.made is not None:
            made = whole.column(TEMPLATED)
            sources = pc.if_else(made, pa.scalar(str(Source.TEMPLATE)), sources)
            if lacking := numbers[~np.asarray(made.to_numpy(zero_copy_only=False))].tolist():
                notes[f"lacks a field of the template {self.source.made.template.text!r}"] = lacking
        return whole.append_column("caption_source", sources), notes

    def _without_nobody(self, whole: pa.RecordBatch) -> tuple[pa.RecordBatch, dict[str, list[int]]]:
        """Replace words that name nobody in place of a rightsholder by the default, or by null.

        Returns:
            The batch, and the numbers of the rows by such word.
        """
        place = whole.schema.get_field_index("rightsholder")
        if place < 0:
            return whole, {}
        encoded = whole.column(place).dictionary_encode()
        names = encoded.dictionary.to_pylist()
        nobody = np.flatnonzero([names_nobody(name) for name in names])
        if not len(nobody):
            return whole, {}
        codes = np.asarray(encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False))
        numbers = _numbers(whole)
        found = {names[code]: numbers[codes == code].tolist() for code in nobody[:_MOST_WORDS].tolist()}
        default = pa.scalar(self.source.defaults.get("rightsholder"), whole.column(place).type)
        column = pc.if_else(pa.array(np.isin(codes, nobody)), default, whole.column(place))
        return whole.set_column(place, whole.schema.field(place), column), found

    def _reasons(self, whole: pa.RecordBatch, nobody: Mapping[str, Sequence[int]]) -> list[tuple[str, int]]:
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
        for word, numbers in nobody.items():
            refused.update((number, f"{UNOWNED}: {word!r} names nobody") for number in numbers if number in refused)
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
