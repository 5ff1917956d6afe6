"""Appending Arrow columns to a table of the registry."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from registry.event_log.computed_parts import parts_of_rows
from registry.event_log.events import Change
from registry.event_log.seals import schema_of
from registry.storage.row_groups import ROW_GROUP

_NONE: Mapping[str, Any] = MappingProxyType({})


def insert_rows(
    change: Change,
    table: str,
    rows: pa.Table | Mapping[str, pa.Array],
    constants: Mapping[str, Any] = _NONE,
    *,
    hashed: bool = False,
) -> None:
    """Append rows in their order.

    Rows without ``id`` get the next ones. ``constants`` are columns with one value for all rows.
    ``hashed``: compute the hashes for the seal from these columns, instead of reading them back;
    they must be all that the change adds to the table, and have its types.
    """
    rows = rows if isinstance(rows, pa.Table) else pa.table(dict(rows))
    if "id" not in rows.column_names:
        first = change.next_id(table)
        rows = rows.append_column("id", pa.array(range(first, first + rows.num_rows), pa.int64()))
    if hashed and rows.num_rows:
        change.add_parts(table, parts_of_rows(schema_of(change.connection, table), table, rows, constants))
    names = ", ".join([*rows.column_names, *constants])
    values = ", ".join([*rows.column_names, *("?" for _ in constants)])
    batches = rows.combine_chunks().to_batches(ROW_GROUP)
    change.connection.register("rows_to_insert", pa.Table.from_batches(batches, rows.schema))
    change.connection.execute(
        f"INSERT INTO {table} ({names}) SELECT {values} FROM rows_to_insert",  # noqa: S608 - names of our columns
        list(constants.values()),
    )
    change.connection.unregister("rows_to_insert")
