"""Seals: a hash over rows, kept in the event that added them, so that an edit of the rows is found.

Rows of the *numbered* tables are sealed by the range of ids that a change added, rows of the
*keyed* tables by their key. :mod:`registry.event_log.events` writes the seals into the log,
:mod:`registry.event_log.verify` compares them with the tables.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from registry.ids import canonical_json
from registry.storage.row_hash import BATCH, Digest, RowHash

CURRENT_COLUMNS: Mapping[str, frozenset[str]] = {
    "asset": frozenset(
        {"missing_since", "declared_id", "verified_id", "rightsholder_id", "licence_id", "permission", "caption_id"},
    ),
    "rightsholder": frozenset({"merged_into"}),
}
"""Columns with the current state: computed from sealed rows and events, so not sealed."""

MOVED_COLUMNS: Mapping[str, str] = {"asset": "path", "data_set": "root"}
"""Columns that can change: sealed with their first value, which events keep."""

NUMBERED_TABLES = (
    "data_set",
    "asset",
    "asset_rights",
    "caption",
    "co_rightsholder",
    "embedded_metadata",
    "rights_signal",
    "site_policy",
    "fingerprint",
    "near_duplicate",
    "rightsholder",
    "rightsholder_details",
    "rightsholder_identifier",
    "rightsholder_merge",
    "licence",
    "review",
    "claim",
    "claim_work",
    "claim_decision",
    "withdrawal",
    "withdrawal_work",
)
"""Tables whose ids ascend in order of insertion. Every change seals the rows that it added."""

KEYED_TABLES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "encoding": ("id", ("id",)),
    "unit": ("encoding_id", ("number",)),
    "unit_asset": ("encoding_id", ("unit_number", "asset_id")),
    "encoding_codes": ("encoding_id", ("encoding_id",)),
    "encoding_probe": ("encoding_id", ("asset_id",)),
    "unit_group": ("encoding_id", ("number",)),
    "unit_slot": ("encoding_id", ("unit_number",)),
    "base_model": ("id", ("id",)),
    "base_component": ("base_id", ("number",)),
    "base_details": ("base_id", ("number",)),
    "ensemble": ("id", ("id",)),
    "member": ("id", ("id",)),
    "sample": ("id", ("id",)),
    "audit": ("id", ("id",)),
    "candidate": ("audit_id", ("rank",)),
    "candidate_work": ("audit_id", ("unit_number", "position")),
}
"""Tables whose rows belong to a key: the column with the key, and the order of its rows."""

_WIDE = {"embedded_metadata": 1024, "site_policy": 64}
"""Rows fetched together from tables with rows of many kilobytes."""


def _no_progress(_: int) -> None:
    """Default: no progress callback."""


@dataclass(frozen=True)
class Seal:
    """A digest over rows of one table: those with ids ``first`` to ``last``, or of ``key``."""

    table: str
    rows: int
    sha256: str
    first: int | None = None
    last: int | None = None
    key: str | None = None
    parts: int | None = None
    """Number of parts that ``sha256`` is over, see :mod:`registry.event_log.parts`; None in logs of
    schema 3: ``sha256`` is over the rows."""

    def to_json(self) -> dict[str, Any]:
        """The fields, without those that are None."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Seals:
    """The seals of an event, and the last sealed id of every numbered table."""

    rows: tuple[Seal, ...] = ()
    through: Mapping[str, int] = field(default_factory=dict)
    """The last id of each table. The newest event has all, so earlier ones need not be read."""
    tree: str | None = None
    """The root over all events before this one, see :mod:`registry.event_log.event_tree`; None in
    logs of schema 3."""

    def to_text(self) -> str:
        """Canonical JSON, for the event's column."""
        fields = {"rows": [seal.to_json() for seal in self.rows], "through": dict(self.through)}
        return canonical_json(fields if self.tree is None else {**fields, "tree": self.tree})

    @classmethod
    def parse(cls, text: str) -> Seals:
        """The inverse of :meth:`to_text`.

        Raises:
            ValueError: the text has another form.
        """
        try:
            document = json.loads(text)
            rows = tuple(Seal(**fields) for fields in document["rows"])
            through = {str(table): int(last) for table, last in document["through"].items()}
            tree = document.get("tree")
        except (TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError(f"not seals: {error}") from error
        for seal in rows:
            numbered = seal.table in NUMBERED_TABLES and type(seal.first) is type(seal.last) is int
            if not numbered and not (seal.table in KEYED_TABLES and isinstance(seal.key, str)):
                raise ValueError(f"not a seal of any table: {str(seal)[:200]}")
        if tree is not None and not isinstance(tree, str):
            raise ValueError("not seals: the root over the events before is no text")
        return cls(rows, through, tree)


def with_constants(schema: pa.Schema, batch: pa.RecordBatch, constants: Mapping[str, Any]) -> pa.RecordBatch:
    """The batch with all columns of ``schema``: constant ones, and null ones where it has none."""
    columns = []
    for field_ in schema:
        if field_.name in batch.schema.names:
            columns.append(batch.column(field_.name))
        elif constants.get(field_.name) is not None:
            columns.append(pa.repeat(pa.scalar(constants[field_.name], field_.type), batch.num_rows))
        else:
            columns.append(pa.nulls(batch.num_rows, field_.type))
    return pa.RecordBatch.from_arrays(columns, names=schema.names)


def digests_of_ranges(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    ranges: Sequence[tuple[int, int]],
    first_values: Mapping[int, str | None] | None = None,
    on_rows: Callable[[int], object] = _no_progress,
) -> Iterator[Digest]:
    """The digest over each range of ids (first and last) of a numbered table, in one pass.

    Do not use the connection for anything else while the digests are read.

    ``ranges`` are ascending, without overlaps. ``first_values``: by id, the first value of the
    column of :data:`MOVED_COLUMNS`, where it has changed. ``on_rows`` gets the number of rows read.
    """
    if not ranges:
        return
    condition, values = "id BETWEEN ? AND ?", [ranges[0][0], ranges[-1][1]]
    waiting = iter(ranges)
    first, last = next(waiting)
    rows: RowHash | None = None
    for found in rows_in_order(connection, table, condition, values, ("id",)):
        batch = as_added(found, table, first_values or {})
        ids = batch.column("id").to_numpy()
        on_rows(len(ids))
        rows = rows or RowHash(batch.schema)
        start = 0
        while start < len(ids):
            while ids[start] > last:
                yield rows.digest()
                rows = RowHash(batch.schema)
                first, last = next(waiting)
            start = max(start, int(np.searchsorted(ids, first)))
            end = int(np.searchsorted(ids, last, side="right"))
            rows.update(batch.slice(start, end - start))
            # Ids between two ranges belong to neither; the condition excludes those past the last.
            start = end
    rows = rows or RowHash(schema_of(connection, table))
    yield rows.digest()
    for _ in waiting:
        yield RowHash(schema_of(connection, table)).digest()


def digest_of_key(
    connection: duckdb.DuckDBPyConnection, table: str, key: str, on_rows: Callable[[int], object] = _no_progress
) -> Digest:
    """The digest over the rows of a keyed table that belong to a key."""
    column, order = KEYED_TABLES[table]
    rows = RowHash(schema_of(connection, table))
    for batch in rows_in_order(connection, table, f"{column} = ?", [key], order):
        rows.update(batch)
        on_rows(batch.num_rows)
    return rows.digest()


def rows_in_order(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    condition: str,
    values: list[Any],
    order: tuple[str, ...],
    *,
    few: bool = False,
) -> Iterator[pa.RecordBatch]:
    """The sealed columns of rows, sorted by ``order`` unless they are in that order already.

    ``few``: sort without asking first.
    """
    listed = ", ".join(order)
    sorting = f" ORDER BY {listed}"
    if not few:
        keys = connection.execute(f"SELECT {listed} FROM {table} WHERE {condition}", values)  # noqa: S608 - our tables
        sorting = "" if _ascending(keys.to_arrow_reader(BATCH), order) else sorting
    found = connection.execute(f"{select_sealed(table)} WHERE {condition}{sorting}", values)
    yield from found.to_arrow_reader(_WIDE.get(table, BATCH))


def _ascending(reader: pa.RecordBatchReader, order: tuple[str, ...]) -> bool:
    previous: list[Any] = []
    for batch in reader:
        if not batch.num_rows:
            continue
        columns = [batch.column(name) for name in order]
        if any(column.null_count for column in columns) or any(pa.types.is_string(column.type) for column in columns):
            return batch.num_rows < 2 and not previous  # texts are few and short of order: let the database sort them
        arrays = [column.to_numpy() for column in columns]
        if previous:
            arrays = [np.concatenate([[last], array]) for last, array in zip(previous, arrays, strict=True)]
        before = np.zeros(len(arrays[0]) - 1, bool)
        equal = ~before
        for array in arrays:
            before |= equal & (array[:-1] < array[1:])
            equal &= array[:-1] == array[1:]
        if not (before | equal).all():
            return False
        previous = [array[-1] for array in arrays]
    return True


def as_added(batch: pa.RecordBatch, table: str, first_values: Mapping[int, str | None]) -> pa.RecordBatch:
    """Rows as they were sealed; ``first_values``: by id, where the moved column has changed."""
    if not first_values:
        return batch
    name = MOVED_COLUMNS[table]
    ids = batch.column("id").to_pylist()
    values = batch.column(name).to_pylist()
    restored = [first_values.get(number, value) for number, value in zip(ids, values, strict=True)]
    place = batch.schema.get_field_index(name)
    return batch.set_column(place, batch.schema.field(place), pa.array(restored, batch.schema.field(place).type))


def select_sealed(table: str) -> str:
    """SQL: the sealed columns of a table's rows."""
    left_out = CURRENT_COLUMNS.get(table)
    if not left_out:
        return f"SELECT * FROM {table}"  # noqa: S608 - our tables
    # Not by EXCLUDE: a migration seals rows before later steps add some of these columns.
    names = ", ".join(f"'{name}'" for name in sorted(left_out))
    return f"SELECT COLUMNS(lambda name: name NOT IN ({names})) FROM {table}"  # noqa: S608 - our tables


def schema_of(connection: duckdb.DuckDBPyConnection, table: str) -> pa.Schema:
    """The sealed columns of a table, with the types that they are fetched with."""
    return connection.execute(f"{select_sealed(table)} LIMIT 0").to_arrow_table().schema
