"""Seals: a hash over rows, kept in the event that added them, so that an edit of the rows is found.

Rows of the *numbered* tables are sealed by the range of ids that a change added, rows of the
*keyed* tables by their key. :mod:`registry.event_log.events` writes the seals into the log,
:mod:`registry.event_log.verify` compares them with the tables.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from registry.ids import canonical_json
from registry.storage.row_hash import BATCH, Digest, RowHash

CURRENT_COLUMNS: Mapping[str, frozenset[str]] = {
    "asset": frozenset(
        {"missing_since", "declared_id", "verified_id", "rightsholder_id", "licence_id", "permission"},
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
    "unit_group": ("encoding_id", ("number",)),
    "unit_slot": ("encoding_id", ("unit_number",)),
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

    def to_json(self) -> dict[str, Any]:
        """The fields, without those that are None."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Seals:
    """The seals of an event, and the last sealed id of every numbered table."""

    rows: tuple[Seal, ...] = ()
    through: Mapping[str, int] = field(default_factory=dict)
    """The last id of each table. The newest event has all, so earlier ones need not be read."""

    def to_text(self) -> str:
        """Canonical JSON, for the event's column."""
        return canonical_json({"rows": [seal.to_json() for seal in self.rows], "through": dict(self.through)})

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
        except (TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError(f"not seals: {error}") from error
        for seal in rows:
            numbered = seal.table in NUMBERED_TABLES and type(seal.first) is type(seal.last) is int
            if not numbered and not (seal.table in KEYED_TABLES and isinstance(seal.key, str)):
                raise ValueError(f"not a seal of any table: {str(seal)[:200]}")
        return cls(rows, through)


def sealed_columns(table: str) -> list[str]:
    """The sealed columns of a table, in the schema's order."""
    # Imported late: defining the tables takes half a second.
    from sqlmodel import SQLModel

    import registry.storage.tables  # noqa: F401

    columns = SQLModel.metadata.tables[table].columns.keys()
    return [name for name in columns if name not in CURRENT_COLUMNS.get(table, ())]


def digest_of_rows(schema: pa.Schema, rows: pa.Table, constants: Mapping[str, Any]) -> Digest:
    """The digest over rows about to be added, by id, equal to :func:`digests_of_ranges` afterwards.

    Args:
        schema: of the table's sealed columns, see :func:`schema_of`.
        rows: columns of the new rows; a column that is neither here nor constant is null.
        constants: columns with one value for all rows.
    """
    found = RowHash(schema)
    for batch in rows.to_batches(BATCH):
        columns = []
        for field_ in schema:
            if field_.name in rows.column_names:
                columns.append(batch.column(field_.name))
            elif constants.get(field_.name) is not None:
                value = pa.scalar(constants[field_.name], field_.type)
                columns.append(pa.repeat(value, batch.num_rows))
            else:
                columns.append(pa.nulls(batch.num_rows, field_.type))
        found.update(pa.RecordBatch.from_arrays(columns, names=schema.names))
    return found.digest()


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
    for found in _rows_in_order(connection, table, condition, values, ("id",)):
        batch = _as_added(found, table, first_values or {})
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
    for batch in _rows_in_order(connection, table, f"{column} = ?", [key], order):
        rows.update(batch)
        on_rows(batch.num_rows)
    return rows.digest()


def digests_of_keys(connection: duckdb.DuckDBPyConnection, table: str) -> Iterator[tuple[str, Digest]]:
    """The digest of every key of a keyed table, in one pass; for tables not filled in bulk."""
    column, order = KEYED_TABLES[table]
    found = connection.execute(f"{_select(table)} ORDER BY {', '.join((column, *order))}")
    rows, current = None, None
    for batch in found.to_arrow_reader(BATCH):
        keys = batch.column(column).to_pylist()
        start = 0
        for end in _ends_of_runs(keys):
            if rows is None or keys[start] != current:
                if rows is not None and current is not None:
                    yield current, rows.digest()
                rows, current = RowHash(batch.schema), keys[start]
            rows.update(batch.slice(start, end - start))
            start = end
    if rows is not None and current is not None:
        yield current, rows.digest()


def _ends_of_runs(keys: Sequence[str]) -> Iterable[int]:
    return [number for number in range(1, len(keys)) if keys[number] != keys[number - 1]] + (
        [len(keys)] if keys else []
    )


def _rows_in_order(
    connection: duckdb.DuckDBPyConnection, table: str, condition: str, values: list[Any], order: tuple[str, ...]
) -> Iterator[pa.RecordBatch]:
    """The sealed columns of rows, sorted by ``order`` unless they are in that order already."""
    listed = ", ".join(order)
    keys = connection.execute(f"SELECT {listed} FROM {table} WHERE {condition}", values)  # noqa: S608 - our tables
    sorting = "" if _ascending(keys.to_arrow_reader(BATCH), order) else f" ORDER BY {listed}"
    found = connection.execute(f"{_select(table)} WHERE {condition}{sorting}", values)
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


def _as_added(batch: pa.RecordBatch, table: str, first_values: Mapping[int, str | None]) -> pa.RecordBatch:
    if not first_values:
        return batch
    name = MOVED_COLUMNS[table]
    ids = batch.column("id").to_pylist()
    values = batch.column(name).to_pylist()
    restored = [first_values.get(number, value) for number, value in zip(ids, values, strict=True)]
    place = batch.schema.get_field_index(name)
    return batch.set_column(place, batch.schema.field(place), pa.array(restored, batch.schema.field(place).type))


def _select(table: str) -> str:
    return "SELECT {} FROM {}".format(", ".join(f'"{name}"' for name in sealed_columns(table)), table)  # noqa: S608 - our tables


def schema_of(connection: duckdb.DuckDBPyConnection, table: str) -> pa.Schema:
    """The sealed columns of a table, with the types that they are fetched with."""
    return connection.execute(f"{_select(table)} LIMIT 0").to_arrow_table().schema
