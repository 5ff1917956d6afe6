"""Columns of tables: name, type, unit, meaning, and the meaning of an empty cell.

One list of columns makes the Parquet types, the JSON Schema of a row and the page
``docs/tables.md``, so all agree with the file. Within a version a column may be added at the end;
none is removed, renamed or changes its meaning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

VERSION: Literal[1] = 1
Kind = Literal["text", "whole number", "number", "truth", "time", "texts", "object"]

NOT_SYNTHETIC = "its file says nothing of the kind"
"""The meaning of an empty cell about the AI model that made a work."""

_ARROW: dict[Kind, pa.DataType] = {
    "text": pa.large_string(),
    "whole number": pa.int64(),
    "number": pa.float64(),
    "truth": pa.bool_(),
    "time": pa.timestamp("us", tz="UTC"),
    "texts": pa.list_(pa.large_string()),
    "object": pa.large_string(),
}
_SCHEMA: dict[Kind, dict[str, Any]] = {
    "text": {"type": "string"},
    "whole number": {"type": "integer"},
    "number": {"type": "number"},
    "truth": {"type": "boolean"},
    "time": {"type": "string", "format": "date-time"},
    "texts": {"type": "array", "items": {"type": "string"}},
    "object": {"type": "object"},
}


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str
    kind: Kind
    meaning: str
    null: str = ""
    """The meaning of an empty cell; empty if no cell may be."""
    unit: str = ""


@dataclass(frozen=True)
class Table:
    """The form of a table: its name, the meaning of a row, and its columns."""

    name: str
    row: str
    """The subject of one row."""
    columns: tuple[Column, ...]

    @property
    def document(self) -> str:
        """The name of the document in a JSON file."""
        return f"{self.name}-table"

    @property
    def kind(self) -> str:
        """The kind in its stamp."""
        return f"{self.name} table"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def documents(self) -> frozenset[str]:
        """Columns with JSON as text."""
        return frozenset(column.name for column in self.columns if column.kind == "object")

    def arrow(self) -> pa.Schema:
        """The types of the Parquet file."""
        return pa.schema([pa.field(column.name, _ARROW[column.kind]) for column in self.columns])

    def markdown(self) -> str:
        """A Markdown table with a row per column, for ``docs/tables.md``."""
        lines = ["| column | type | unit | what it is | empty |", "|---|---|---|---|---|"]
        lines += [
            f"| `{column.name}` | {column.kind} | {column.unit} | {column.meaning} | {column.null or 'never'} |"
            for column in self.columns
        ]
        return "\n".join(lines) + "\n"

    def row_schema(self) -> dict[str, Any]:
        """The JSON Schema of a row, a line of the ``.jsonl`` file."""
        return {
            "type": "object",
            "description": f"{self.row}.",
            "properties": {column.name: _property(column) for column in self.columns},
            "required": list(self.names),
            "additionalProperties": False,
        }


def _property(column: Column) -> dict[str, Any]:
    schema = dict(_SCHEMA[column.kind])
    if column.null:
        schema["type"] = [schema["type"], "null"]
    return {**schema, "description": _sentences(column)}


def _sentences(column: Column) -> str:
    unit = f" In {column.unit}." if column.unit else ""
    null = f" Null: {column.null}." if column.null else ""
    return f"{column.meaning}.{unit}{null}"


def fitted(table: Table, batches: Iterable[pa.RecordBatch]) -> pa.RecordBatchReader:
    """Batches with exactly the table's columns and types; NaN becomes null, as in JSON."""
    schema = table.arrow()

    def casts() -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield pa.RecordBatch.from_arrays(
                [_cast(batch.column(field.name), field.type) for field in schema], schema=schema
            )

    return pa.RecordBatchReader.from_batches(schema, casts())


def _cast(values: pa.Array, kind: pa.DataType) -> pa.Array:
    found = values.cast(kind)
    if pa.types.is_floating(kind):
        return pc.if_else(pc.is_finite(found), found, pa.scalar(None, kind))
    return found


def batch_of(table: Table, rows: Sequence[dict[str, Any]]) -> pa.RecordBatch:
    """Rows of plain values as a batch; text that cannot be encoded is replaced."""
    columns = [pa.array([_encodable(row[field.name]) for row in rows], field.type) for field in table.arrow()]
    return pa.RecordBatch.from_arrays(columns, schema=table.arrow())


def _encodable(value: Any) -> Any:  # noqa: ANN401 - whatever a cell may be
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
